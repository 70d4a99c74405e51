package localapi

// ReadEvents is readEvents, for its fuzz target.
var ReadEvents = readEvents

// RequestBody is what SetNextCard sends.
var RequestBody = NextCardRequest.body
