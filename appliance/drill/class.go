package drill

// ClassID names a class of data. Strings are reserved for ever.
type ClassID string

// Classes.
const (
	Records        ClassID = "records"              // who tapped, with what proof: sealed to central
	RecordsNow     ClassID = "records_now"          // of the present epoch, an hour of taps at most: the running box still has their key
	KeysForCentral ClassID = "site_keys_central"    // site keys that were made here and wait for central
	Roster         ClassID = "roster"               // whom central enrolled here: certificate, birth date, card key, numbers
	Enrolments     ClassID = "enrolments"           // who enrolled here and is not on the roster yet: the same
	Presence       ClassID = "presence"             // who was served or has left, and when
	Links          ClassID = "links"                // a service's own numbers, and whose they are
	DeskLog        ClassID = "desk_log"             // who of the staff was at the desk, and ticked off what
	Staff          ClassID = "staff"                // who of the staff may sign in, by id and name
	StaffCodes     ClassID = "staff_codes"          // their codes, hashed
	SiteKeys       ClassID = "site_keys"            // what opens all that lies under them
	OperatorCode   ClassID = "operator_code"        // what opens the site keys
	DeviceKey      ClassID = "device_key"           // with which the box proves who it is
	SealingKey     ClassID = "sealing_key"          // to which central and other boxes send it site keys
	FromCentral    ClassID = "parcels_from_central" // on a stick, sealed to the box: site keys may be in them
	JoinCode       ClassID = "join_code"            // the secret of a join code that was not used up yet
	Typed          ClassID = "typed"                // PIN or birth date of the minute before
	Pseudonyms     ClassID = "pseudonyms"           // PPIDs that the live page asked for
	SwappedMemory  ClassID = "swapped_memory"       // what the box's memory held when the kernel wrote it to the disk
	CoreFiles      ClassID = "core_files"           // memory of a program that crashed
	ClosedBy       ClassID = "closed_by"            // the id of who had the site closed
	TapTimes       ClassID = "tap_times"            // time, desk, service, verdict, spoken code of taps
	VisitTimes     ClassID = "visit_times"          // kind, tap, day or time and service of entries of the site book
	References     ClassID = "references"           // keyed hashes by which entries are found
	Verdicts       ClassID = "verdicts"             // final verdicts, by tap
	Corrections    ClassID = "corrections"          // verdicts that central corrected, by tap
	RosterSize     ClassID = "roster_size"          // how many people are enrolled
	Proofs         ClassID = "proofs"               // headers, chain values, acknowledgements
	RevokedCards   ClassID = "revoked_certificates" // serials on revocation lists, of the whole country: none says who came here
	Settings       ClassID = "settings"             // what central signed, where the box stands, its clock and its orders
)

// Under is what a class lies under. Strings are reserved for ever.
type Under string

// What classes lie under.
const (
	InClear    Under = "clear"
	SiteRing   Under = "site_keys"
	ForCentral Under = "central"   // sealed to C-seal: nothing on the box opens it
	EpochKey   Under = "epoch_key" // the same, but for the running box's memory
	OwnLock    Under = "lock"      // the site keys themselves: see Keys
	Identity   Under = "identity"  // in the TPM, or in a file
	Memory     Under = "memory"    // never on the disk, if all is well
	Machine    Under = "machine"   // on the disk because memory was written there
)

// class is what is always so of a class.
type class struct {
	id    ClassID
	under Under
	names bool
}

// classes are all, in the order of the report: what names people first.
var classes = []class{
	{Enrolments, SiteRing, true},
	{Roster, SiteRing, true},
	{Presence, SiteRing, true},
	{Links, SiteRing, true},
	{Staff, SiteRing, true},
	{StaffCodes, SiteRing, false},
	{DeskLog, SiteRing, true},
	{Records, ForCentral, true},
	{RecordsNow, EpochKey, true},
	{Typed, Memory, true},
	{Pseudonyms, Memory, true},
	{SwappedMemory, Machine, true},
	{CoreFiles, Machine, true},
	{SiteKeys, OwnLock, false},
	{OperatorCode, OwnLock, false},
	{KeysForCentral, ForCentral, false},
	{DeviceKey, Identity, false},
	{SealingKey, Identity, false},
	{FromCentral, Identity, false},
	{JoinCode, InClear, false},
	{ClosedBy, InClear, false},
	{TapTimes, InClear, false},
	{VisitTimes, InClear, false},
	{References, InClear, false},
	{Verdicts, InClear, false},
	{Corrections, InClear, false},
	{RosterSize, InClear, false},
	{Proofs, InClear, false},
	{RevokedCards, InClear, false},
	{Settings, InClear, false},
}

// Classes lists all that this release knows, in the order of the report.
func Classes() []ClassID {
	all := make([]ClassID, 0, len(classes))
	for _, c := range classes {
		all = append(all, c.id)
	}
	return all
}

// Kind says what a file is. Strings are reserved for ever.
type Kind string

// Kinds of files and places.
const (
	KindUnknown    Kind = "unknown"
	KindIdentity   Kind = "identity"
	KindRing       Kind = "site_keys"
	KindTries      Kind = "code_tries"
	KindNote       Kind = "note" // a few octets that say nothing but that they are there
	KindPlace      Kind = "place"
	KindTrust      Kind = "trust"
	KindRules      Kind = "rules"
	KindVersion    Kind = "version" // of what was the newest
	KindClock      Kind = "clock"
	KindOrders     Kind = "orders"
	KindClosing    Kind = "closing"
	KindErasure    Kind = "erasure"
	KindJournal    Kind = "journal"
	KindBook       Kind = "site_book"
	KindVerdicts   Kind = "verdicts"
	KindBeside     Kind = "beside_database" // write-ahead log or its index
	KindLock       Kind = "lock"
	KindSocket     Kind = "socket"
	KindSet        Kind = "revocation_set"
	KindSetPart    Kind = "revocation_set_part"
	KindManifest   Kind = "revocation_manifest"
	KindRefused    Kind = "refused_set"
	KindRosterHead Kind = "roster_head"
	KindSegment    Kind = "roster_segment"
	KindDigests    Kind = "digests"
	KindConfig     Kind = "config"
	KindSwap       Kind = "swap"
	KindCore       Kind = "core"
	KindReserve    Kind = "reserve"
	KindUnseen     Kind = "unseen_verdicts"
	KindCourier    Kind = "courier"
	KindPending    Kind = "pending_join"
	KindStick      Kind = "stick"
)
