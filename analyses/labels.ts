/** Labels of the axes that all analyses share: prompts and positions. */
export { positionAxis, promptAxis } from '../lib/labels.js'
