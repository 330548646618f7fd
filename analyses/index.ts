/** Analyses: plain functions from a view and prompts to a plain result. */
export {}
