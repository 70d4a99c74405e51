package segment

// Quick is the way of reading an entry that a tap waits for.
var Quick = quick
