/** Mocha's spec reporter, whose last line is `N passed, N failed`. */
import Mocha from 'mocha'

const { EVENT_TEST_END } = Mocha.Runner.constants

export default class SummaryReporter extends Mocha.reporters.Spec {
  private readonly tests: Mocha.Test[] = []

  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options)
    runner.on(EVENT_TEST_END, (test) => this.tests.push(test))
  }

  /** Counts a test by its state at the end: a leak is found after mocha has counted the test as passed. */
  override epilogue(): void {
    super.epilogue()
    const passed = this.tests.filter((test) => test.state === 'passed').length
    console.log(`${passed} passed, ${this.stats.failures} failed`)
  }
}
