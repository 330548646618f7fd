/** How fast this machine multiplies matrices with the running backend: what no job can exceed by much. */
import * as tf from '@tensorflow/tfjs'

/**
 * The sizes [m,k] × [k,n] for models of this d_model: the first layer of an MLP on 512 tokens, and a large square.
 * GPT-2 small's are 512x768x3072 and 2048.
 */
export function limitSizes(dModel: number): Record<string, readonly [number, number, number]> {
  const edge = Math.round((8 * dModel) / 3)
  return { [`512x${dModel}x${4 * dModel}`]: [512, dModel, 4 * dModel], [String(edge)]: [edge, edge, edge] }
}

/** In 10⁹ operations a second, by size; a product and a sum are two. */
export function matmulLimit(dModel: number): Record<string, number> {
  const sizes = Object.entries(limitSizes(dModel))
  return Object.fromEntries(sizes.map(([name, size]) => [name, Number(gflops(...size).toPrecision(4))]))
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
