package localapi

// ReadEvents is readEvents, for its fuzz target.
var ReadEvents = readEvents
