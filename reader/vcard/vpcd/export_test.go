package vpcd

// For the fuzz target of the frame reader.
var (
	ReadFrame = readFrame
	Frame     = frame
)
