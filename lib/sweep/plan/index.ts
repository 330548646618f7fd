/** The door of planning: from where interventions are run, for which prompts, and which of them together. */
export { batchesOf, type Batch } from './batches.js'
export { checkBudget } from './budget.js'
export { compareEdits, type ComparedRun, Differences } from './differences.js'
export { planGroups, type Group } from './groups.js'
export type { KeptPoints } from './kept-points.js'
export { batchLimits, lastRead, layoutOf, type SweepLayout } from './layout.js'
export { neededView } from './needed-view.js'
export { replacesSaeOutput, ResumePoints, type Entry, type LinearShortcut, type ResumePoint } from './resume-points.js'
