/** How fast this machine multiplies matrices with the running backend: what no job can exceed by much. */
import * as tf from '@tensorflow/tfjs'

/** [m,k] × [k,n]: the first layer of GPT-2 small's MLP on 512 tokens, and a large square. */
const SIZES: Record<string, [number, number, number]> = { '512x768x3072': [512, 768, 3072], '2048': [2048, 2048, 2048] }

/** In 10⁹ operations a second, by size; a product and a sum are two. */
export function matmulLimit(): Record<string, number> {
  return Object.fromEntries(Object.entries(SIZES).map(([name, size]) => [name, Number(gflops(...size).toPrecision(4))]))
}

/** The best of as many products as fit into a second, 2 to 20. */
function gflops(m: number, k: number, n: number): number {
  const [a, b] = [tf.randomNormal([m, k]), tf.randomNormal([k, n])]
  const times: number[] = []
  const begin = performance.now()
  while (times.length < 2 || (times.length < 20 && performance.now() - begin < 1000)) {
    const start = performance.now()
    const product = tf.matMul(a, b)
    product.dataSync() // some backends compute no sooner
    times.push(performance.now() - start)
    product.dispose()
  }
  tf.dispose([a, b])
  return (2 * m * k * n) / Math.min(...times) / 1e6
}
