export { Activations as ActivationCache } from './activations.js'
