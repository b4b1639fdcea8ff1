export interface Version {
  major_version: number
  minor_version: number
  release_time: number
  doi?: string
}

export interface ReleaseJob {
  job_id: string
  status: string
  started?: number
  duration?: number
  release_capsule?: string
  release_version?: Version
  error?: string
}

export interface ReleaseRecord {
  wire: ReleaseJob
  /** Id of the capsule or pipeline. */
  parent: string
  /** Epoch seconds; undefined once the job is over. */
  created?: number
}
