package commandtest

var (
	ReferenceFaults = referenceFaults
	HelpFaults      = helpFaults
)
