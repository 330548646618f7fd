/** TypeScript typed at a prompt, made into what Node's own evaluation takes: it awaits, but knows no types or imports. */
import { Recoverable, type REPLEval } from 'node:repl'
import { type TransformFailure, transformSync } from 'esbuild'

/** An import statement as esbuild prints it: its names (none when it is for effect only), then its module. */
const IMPORT = /^import (?:([^"]*) from )?("[^"]+")(?: with (.*))?;$/gm

/** Evaluates TypeScript by an evaluation of JavaScript that handles top-level await, such as Node's default. */
export function typeScriptEval(javaScriptEval: REPLEval): REPLEval {
  return function (code, context, file, callback) {
    let javaScript: string
    try {
      javaScript = toJavaScript(code)
    } catch (error) {
      return callback(syntaxError(code, error as TransformFailure), undefined)
    }
    javaScriptEval.call(this, javaScript, context, file, callback)
  }
}

/**
 * Strips types, and rewrites what a prompt cannot take: static imports become awaited ones; a leading `const` or `let`
 * becomes `var`, so that a line can be typed again; so does `using`, which would dispose at the end of its own line.
 * @throws esbuild's TransformFailure for a syntax error
 */
export function toJavaScript(code: string): string {
  const kept = code.replace(/^(\s*)(?:await\s+)?using\s+(?=[\w$]+\s*[=:])/, '$1const ')
  const script = stripObject(kept) ?? strip(kept)
  const awaited = script.replace(
    IMPORT,
    (_, names: string | undefined, module: string, attributes: string | undefined) =>
      awaitedImport(names ?? '', attributes ? `${module}, { with: ${attributes} }` : module),
  )
  return awaited.replace(/^(?:const|let)\b/, 'var') || '\n'
}

/** `{ a: 1 }` typed at a prompt is an object, although a script would take it for a block. */
function stripObject(code: string): string | undefined {
  if (!/^\s*\{/.test(code) || /;\s*$/.test(code)) return undefined
  try {
    return strip(`(${code.trim()})`)
  } catch {
    return undefined
  }
}

function strip(code: string): string {
  const tsconfigRaw = { compilerOptions: { verbatimModuleSyntax: true } }
  return transformSync(code, { loader: 'ts', logLevel: 'silent', tsconfigRaw }).code
}

/** The names of a static import (`a`, `* as b`, `{ c as d }` or several) as declarations of an awaited one. */
function awaitedImport(names: string, module: string): string {
  const namespace = /\* as ([\w$]+)/.exec(names)?.[1]
  const braces = /\{([^}]*)\}/.exec(names)?.[1]?.replaceAll(' as ', ': ').trim()
  const whole = /^([\w$]+)/.exec(names)?.[1]
  const picked = [whole && `default: ${whole}`, braces].filter(Boolean).join(', ')
  if (namespace)
    return `var ${namespace} = await import(${module});${whole ? ` var ${whole} = ${namespace}.default;` : ''}`
  return picked ? `var { ${picked} } = await import(${module});` : `await import(${module});`
}

/** A Recoverable, which makes the prompt ask for more, when what is wrong is that the input ends. */
function syntaxError(code: string, { errors }: TransformFailure): Error {
  const { text = 'cannot be read', location } = errors[0] ?? {}
  const error = new SyntaxError(text)
  const atEnd = location?.line === code.split('\n').length
  return atEnd || text.includes('multi-line comment') ? new Recoverable(error) : error
}
