/** Labels that all analyses share: of tokens, and of the axes of prompts and positions. */
export { positionAxis, promptAxis, tokenLabel } from '../lib/core/labels.js'
