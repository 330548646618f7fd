/** What is typed at the prompt, as JavaScript. */
import { Recoverable } from 'node:repl'
import { expect } from 'chai'
import { toJavaScript, typeScriptEval } from '../../../lib/cli/repl-eval.js'

/** What the prompt answers to code: an error, or what it hands on as JavaScript. */
function answer(code: string): Error | string {
  let answered: Error | string = 'nothing'
  const evaluate = typeScriptEval((javaScript) => (answered = javaScript))
  evaluate.call(undefined as never, code, globalThis as never, 'repl', (error) => (answered = error ?? 'no error'))
  return answered
}

describe('lib/cli/repl-eval', () => {
  const cases: Record<string, [typed: string, javaScript: string]> = {
    'strips types': ['let x: number = f<string>(y as any)\n', 'var x = f(y);\n'],
    'drops declarations of types': ['interface A { b: number }\n', '\n'],
    'drops imports of types': ['import type { A } from "m"\n', '\n'],
    'awaits imports': ["import a, { b as c, d } from 'm'\n", 'var { default: a, b: c, d } = await import("m");\n'],
    'awaits imports of namespaces': ["import * as a from 'm'\n", 'var a = await import("m");\n'],
    'awaits both': ["import a, * as b from 'm'\n", 'var b = await import("m"); var a = b.default;\n'],
    'awaits imports for effect': ["import 'm'\n", 'await import("m");\n'],
    'passes attributes': [
      "import a from './a.json' with { type: 'json' }\n",
      'var { default: a } = await import("./a.json", { with: { type: "json" } });\n',
    ],
    'keeps an import that is not used yet': ["import { a } from 'm'\n", 'var { a } = await import("m");\n'],
    'takes braces for an object': ['{ a: 1 }\n', '({ a: 1 });\n'],
    'but a block for a block': ['{ const a = 1; f(a) }\n', '{\n  const a = 1;\n  f(a);\n}\n'],
    'keeps what `using` holds': ['using cache = await f()\n', 'var cache = await f();\n'],
    'leaves inner declarations alone': ['for (const a of b) f(a)\n', 'for (const a of b) f(a);\n'],
  }
  for (const [title, [typed, javaScript]] of Object.entries(cases)) {
    it(title, () => expect(toJavaScript(typed)).to.equal(javaScript))
  }

  for (const unfinished of ['f(1,\n', 'if (x) {\n', 'let s = `a\n', 'let s = `a\nb ${1}\n', '/* a\n', 'let y =\n']) {
    it(`asks for more after ${JSON.stringify(unfinished)}`, () =>
      expect(answer(unfinished)).to.be.instanceOf(Recoverable))
  }

  for (const [wrong, words] of [
    ['let s = "a\n', 'Unterminated string literal'],
    ['f(1 2)\n', 'Expected ")" but found "2"'],
  ] as const) {
    it(`answers ${JSON.stringify(wrong)} with what is wrong`, () => {
      const error = answer(wrong)
      expect(error).to.be.instanceOf(SyntaxError).and.not.instanceOf(Recoverable)
      expect(error).to.have.property('message', words)
    })
  }
})
