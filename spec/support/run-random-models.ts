/** Prints the digits of random models, loaded in the reverse order: `run-random-models.ts SEED COUNT`. */
import { useBackend } from '../../lib/backend/backend.js'
import { digitsSideBySide, randomModels } from './random-models.js'

const [seed, count] = process.argv.slice(2).map(Number)
await useBackend()
const digits = await digitsSideBySide(randomModels(seed!, count!).reverse())
process.stdout.write(JSON.stringify([...digits]))
