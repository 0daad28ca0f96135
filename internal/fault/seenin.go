package fault

// seenIn names scenarios of the lab in which a gateway sees what it sees with the cause, for causes that no scenario
// provokes as themselves: they lie inside the upstream, or take a longer time than the lab has.
var seenIn = map[Cause][]string{
	CauseKernelConnectTimeout: {"syn-dropped"},
	CauseSocketBacklogFull:    {"accept-queue-full"},
	CauseConnectionLost:       {"filter-drops"},
	CauseResponseTooSlow:      {"tarpit"},
	CauseWorkerKilled:         {"worker-dies"},
	CauseOutOfMemory:          {"worker-dies"},
	CauseWorkerCrashed:        {"worker-dies-reset"},
	CauseWorkersBusy:          {"overload", "no-answer"},
	CauseApplicationError:     {"upstream-500"},
	CauseServiceStopped:       {"connection-refused"},
	CauseServiceFailed:        {"connection-refused"},
	CauseUpstreamOverloaded:   {"overload", "upstream-503"},
	CauseMaintenance:          {"maintenance"},
	CauseRateLimited:          {"rate-limited"},
	CauseContentFilter:        {"filter-403", "filter-resets", "filter-drops"},
	CauseRedirectLoop:         {"redirect-loop"},
	CauseBadContentCoding:     {"coding-mislabelled"},
}

// SeenIn names scenarios of the lab in which a gateway sees the same as with this cause. The lab knows those that provoke
// the cause itself. The slice is the caller's.
func (e *Entry) SeenIn() []string { return append([]string(nil), seenIn[e.Cause]...) }
