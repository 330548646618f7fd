/** The most memory this process held since a moment, in MB. */
import { readFileSync, writeFileSync } from 'node:fs'

/** Starts the count anew where the system can (Linux); elsewhere it counts from the start of the process. */
export function forgetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {
    // no Linux, or not allowed
  }
}

export function peakRssMb(): number {
  try {
    const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))!
    return Math.round(Number(line[1]) / 1024)
  } catch {
    return Math.round(process.resourceUsage().maxRSS / 1024)
  }
}
