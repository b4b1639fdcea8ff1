/** The 97.5 % quantiles of Student's t, for 1 to 30 degrees of freedom. */
const quantiles = [
  12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281, 2.201, 2.1788, 2.1604, 2.1448, 2.1314,
  2.1199, 2.1098, 2.1009, 2.093, 2.086, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
]

/** The factor of a 95 % confidence interval. Above 30 degrees of freedom by the Cornish-Fisher expansion, exact to 0.0001. */
export function tQuantile(degreesOfFreedom: number): number {
  const exact = quantiles[degreesOfFreedom - 1]
  if (exact !== undefined) return exact
  const z = 1.959964
  const n = degreesOfFreedom
  return z + (z ** 3 + z) / (4 * n) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * n ** 2)
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle - 0.5)] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2
}

export interface Estimate {
  /** The geometric mean. */
  ratio: number
  /** The ends of its 95 % confidence interval. */
  low: number
  high: number
  least: number
  most: number
}

/** Estimates the mean of independent ratios. Computed on their logarithms, so that 0.5 and 2 are equally far from 1. */
export function estimate(ratios: readonly number[]): Estimate {
  if (ratios.length < 2) throw new Error(`a confidence interval needs at least 2 ratios, not ${ratios.length}`)
  const logs = ratios.map(Math.log)
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1)
  const margin = tQuantile(logs.length - 1) * Math.sqrt(variance / logs.length)
  return {
    ratio: Math.exp(mean),
    low: Math.exp(mean - margin),
    high: Math.exp(mean + margin),
    least: Math.min(...ratios),
    most: Math.max(...ratios),
  }
}

/** A ratio up to this is tolerated. */
export const tolerance = 1.03

/** Whether the whole confidence interval is above the tolerance. */
export const isSlower = ({ low }: Pick<Estimate, "low">) => low > tolerance
