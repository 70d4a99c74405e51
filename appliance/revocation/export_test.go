package revocation

import "kazashi.example/appliance/fetch"

// NameOf is what parseName makes of a file's name, written again; "" if it is none.
func NameOf(file string) string {
	n, ext, ok := parseName(file)
	if !ok {
		return ""
	}
	return n.String() + ext
}

// Room is room.
var Room = room

// FloorMost is fetch.FloorMost.
const FloorMost = fetch.FloorMost

// MaxFiles is maxFiles.
const MaxFiles = maxFiles
