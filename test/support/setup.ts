// In a process that several test files share, this file runs for each of them, and what it imports once.
import "./frozenAnswers.ts"
import "./longWaits.ts"
