/** Puts the environment back as it was; an object in its place would be unknown to what is not JavaScript. */
export function keptEnvironment(): () => void {
  const kept = { ...process.env }
  return () => {
    for (const name of Object.keys(process.env)) if (!(name in kept)) delete process.env[name]
    Object.assign(process.env, kept)
  }
}
