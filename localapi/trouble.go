package localapi

// LineTrouble says why the box does not settle with central although something at the other end answers. Each has its sentence in
// the catalog. Taps go on, and their records wait on the box.
type LineTrouble string

// Troubles of the line.
const (
	LineRevoked     LineTrouble = "revoked_box"  // central has taken this box out of service
	LineReplaced    LineTrouble = "replaced_box" // another box took this one's place: its records count, and it gets nothing new
	LineUnknown     LineTrouble = "unknown_box"  // central knows no box with this key
	LineUnavailable LineTrouble = "unavailable"  // central is starting, stopping, full or at fault; it comes back by itself
	LineRefused     LineTrouble = "refused"      // central refuses for another reason; the box's log has its code
	LineIntercepted LineTrouble = "intercepted"  // something on the way opens the connection
)

// LineTroubles lists them all, in the order above.
func LineTroubles() []LineTrouble {
	return []LineTrouble{LineRevoked, LineReplaced, LineUnknown, LineUnavailable, LineRefused, LineIntercepted}
}
