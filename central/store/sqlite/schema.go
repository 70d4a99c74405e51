package sqlite

// applicationID marks the file as central's ("KzC1"); schemaVersion is that of the tables below.
const (
	applicationID = 0x4b7a4331
	schemaVersion = 9
)

// schema is version 9, which finds refusals for a hold; 8 kept the greatest ends that boxes ever said; 7 let a box take the place of another, and parcels come by courier; 6 let a number be one person's; 5 added how long records are kept; 4 added site keys, orders, corrections, links and how far rosters were made. Times are Unix milliseconds, 0 for none; ids and hashes are octets. Columns that name a person are
// keyed (…_index: HMAC under K_idx) or sealed (…_sealed: AES-256-GCM under K_row, bound to table and row). A row number of
// epochs, envelopes, subjects, site keys and orders is never reused: a backup's high-water marks name them.
const schema = `
CREATE TABLE meta (
	one INTEGER PRIMARY KEY CHECK (one = 1),
	central_epoch INTEGER NOT NULL,
	created INTEGER NOT NULL,
	next_ack INTEGER NOT NULL DEFAULT 1,
	safe_epoch INTEGER NOT NULL DEFAULT 0,
	safe_envelope INTEGER NOT NULL DEFAULT 0,
	safe_subject INTEGER NOT NULL DEFAULT 0,
	safe_site_key INTEGER NOT NULL DEFAULT 0,
	safe_order INTEGER NOT NULL DEFAULT 0,
	rosters_epoch INTEGER NOT NULL DEFAULT 0,
	rosters_n INTEGER NOT NULL DEFAULT 0,
	renewals_through INTEGER NOT NULL DEFAULT 0,
	renewals_at INTEGER NOT NULL DEFAULT 0,
	renewals_whole INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE boxes (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	box BLOB NOT NULL UNIQUE,
	device_id BLOB NOT NULL UNIQUE,
	device BLOB NOT NULL,
	sealing BLOB NOT NULL,
	site TEXT NOT NULL,
	name TEXT NOT NULL,
	state INTEGER NOT NULL,
	joined INTEGER NOT NULL,
	release TEXT NOT NULL,
	holds INTEGER NOT NULL DEFAULT 0,
	holds_epoch INTEGER NOT NULL DEFAULT 0,
	withheld INTEGER NOT NULL DEFAULT 0,
	replaces BLOB UNIQUE
) STRICT;
CREATE INDEX boxes_by_site ON boxes (site);
CREATE TABLE codes (
	code BLOB PRIMARY KEY,
	secret_sealed BLOB NOT NULL,
	site TEXT NOT NULL,
	name TEXT NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	used INTEGER NOT NULL DEFAULT 0,
	used_box BLOB,
	used_device BLOB,
	used_sealing BLOB,
	replaces BLOB
) STRICT, WITHOUT ROWID;
CREATE TABLE epochs (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	epoch BLOB NOT NULL UNIQUE,
	box BLOB NOT NULL REFERENCES boxes (box),
	message BLOB NOT NULL,
	lineage INTEGER NOT NULL,
	predecessor BLOB,
	predecessor_last INTEGER,
	received INTEGER NOT NULL,
	changes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX epochs_by_predecessor ON epochs (predecessor) WHERE predecessor IS NOT NULL;
CREATE INDEX epochs_by_box ON epochs (box, lineage);
CREATE TABLE held_headers (
	box BLOB NOT NULL,
	message BLOB NOT NULL,
	epoch BLOB NOT NULL,
	carrier BLOB NOT NULL,
	received INTEGER NOT NULL,
	PRIMARY KEY (box, message)
) STRICT, WITHOUT ROWID;
CREATE TABLE envelopes (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	epoch BLOB NOT NULL,
	seq INTEGER NOT NULL,
	sum BLOB NOT NULL,
	previous BLOB NOT NULL,
	chain BLOB NOT NULL,
	bytes BLOB NOT NULL,
	carrier BLOB NOT NULL,
	received INTEGER NOT NULL,
	state INTEGER NOT NULL,
	authentic INTEGER NOT NULL DEFAULT 0,
	due INTEGER NOT NULL DEFAULT 0,
	tries INTEGER NOT NULL DEFAULT 0,
	awaits BLOB,
	UNIQUE (epoch, seq, sum)
) STRICT;
CREATE INDEX envelopes_ready ON envelopes (due, row) WHERE state = 2;
CREATE INDEX envelopes_odd ON envelopes (carrier, state) WHERE state IN (1, 4);
CREATE INDEX envelopes_awaiting ON envelopes (awaits) WHERE awaits IS NOT NULL;
CREATE TABLE records (
	epoch BLOB NOT NULL,
	seq INTEGER NOT NULL,
	box BLOB NOT NULL REFERENCES boxes (box),
	envelope INTEGER NOT NULL REFERENCES envelopes (row),
	tap BLOB NOT NULL,
	service TEXT NOT NULL,
	desk TEXT NOT NULL,
	tapped INTEGER NOT NULL,
	arrived INTEGER NOT NULL,
	applied INTEGER NOT NULL,
	first_verdict INTEGER NOT NULL,
	first_reason INTEGER NOT NULL,
	first_answer INTEGER NOT NULL,
	final_verdict INTEGER NOT NULL,
	final_reason INTEGER NOT NULL,
	final_answer INTEGER NOT NULL,
	proved INTEGER NOT NULL,
	source INTEGER NOT NULL,
	answered INTEGER NOT NULL,
	serial_index BLOB,
	content_sealed BLOB NOT NULL,
	subject INTEGER REFERENCES subjects (row),
	verdict INTEGER NOT NULL DEFAULT 0,
	since INTEGER NOT NULL,
	due INTEGER NOT NULL,
	attributes INTEGER NOT NULL,
	attributes_due INTEGER NOT NULL,
	erased INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (epoch, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_by_box ON records (box, verdict);
CREATE INDEX records_by_serial ON records (serial_index) WHERE serial_index IS NOT NULL;
CREATE INDEX records_by_proof ON records (proved);
CREATE INDEX records_on_hold ON records (since, epoch, seq) WHERE final_verdict = 3 AND final_reason = 23 AND erased = 0;
CREATE TABLE taps (
	tap BLOB PRIMARY KEY,
	epoch BLOB NOT NULL,
	seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE verdicts (
	box BLOB NOT NULL,
	n INTEGER NOT NULL,
	epoch BLOB NOT NULL,
	seq INTEGER NOT NULL,
	tap BLOB NOT NULL,
	verdict INTEGER NOT NULL,
	reason INTEGER NOT NULL,
	answer INTEGER NOT NULL,
	source INTEGER NOT NULL,
	settled INTEGER NOT NULL,
	PRIMARY KEY (box, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE persons (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	verifier TEXT NOT NULL,
	handle_index BLOB NOT NULL UNIQUE,
	handle_sealed BLOB NOT NULL,
	made INTEGER NOT NULL,
	merged INTEGER REFERENCES persons (row)
) STRICT;
CREATE TABLE serials (
	serial_index BLOB PRIMARY KEY,
	person INTEGER NOT NULL REFERENCES persons (row),
	way INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX serials_by_person ON serials (person);
CREATE TABLE subjects (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	person INTEGER NOT NULL REFERENCES persons (row),
	sector TEXT NOT NULL,
	key_epoch INTEGER NOT NULL,
	ppid_sealed BLOB NOT NULL,
	made INTEGER NOT NULL,
	UNIQUE (person, sector)
) STRICT;
CREATE TABLE enrolments (
	tap BLOB PRIMARY KEY,
	verifier TEXT NOT NULL,
	person INTEGER NOT NULL REFERENCES persons (row),
	box BLOB NOT NULL REFERENCES boxes (box),
	site TEXT NOT NULL,
	at INTEGER NOT NULL,
	current INTEGER NOT NULL,
	bound INTEGER NOT NULL,
	pin_day INTEGER NOT NULL DEFAULT 0,
	kept_sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX enrolments_by_person ON enrolments (person);
CREATE UNIQUE INDEX enrolments_current ON enrolments (person, site) WHERE current = 1;
CREATE INDEX enrolments_by_site ON enrolments (site, tap) WHERE current = 1 AND bound = 1;
CREATE TABLE rosters (
	site TEXT PRIMARY KEY,
	n INTEGER NOT NULL DEFAULT 0,
	made INTEGER NOT NULL DEFAULT 0,
	whole INTEGER NOT NULL DEFAULT 0,
	safe INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE roster_changes (
	site TEXT NOT NULL,
	tap BLOB NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (site, tap)
) STRICT, WITHOUT ROWID;
CREATE TABLE links (
	person INTEGER NOT NULL REFERENCES persons (row),
	service TEXT NOT NULL,
	number_index BLOB NOT NULL,
	number_sealed BLOB,
	barred INTEGER NOT NULL DEFAULT 0,
	tap BLOB NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (person, service)
) STRICT, WITHOUT ROWID;
CREATE INDEX links_by_number ON links (service, number_index);
CREATE UNIQUE INDEX links_one ON links (service, number_index) WHERE number_sealed IS NOT NULL AND barred = 0;
CREATE TABLE links_waiting (
	serial_index BLOB NOT NULL,
	service TEXT NOT NULL,
	number_sealed BLOB,
	unlink INTEGER NOT NULL,
	tap BLOB NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (serial_index, service)
) STRICT, WITHOUT ROWID;
CREATE TABLE links_taken (
	service TEXT NOT NULL,
	number_index BLOB NOT NULL,
	tap BLOB NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (service, number_index)
) STRICT, WITHOUT ROWID;
CREATE TABLE renewals (
	old_index BLOB PRIMARY KEY,
	new_index BLOB NOT NULL UNIQUE,
	pair_sealed BLOB NOT NULL,
	learned INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE withdrawn (
	old_index BLOB NOT NULL,
	new_index BLOB NOT NULL,
	at INTEGER NOT NULL,
	PRIMARY KEY (old_index, new_index)
) STRICT, WITHOUT ROWID;
CREATE TABLE acts (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	what TEXT NOT NULL,
	detail TEXT NOT NULL,
	at INTEGER NOT NULL
) STRICT;
CREATE TABLE conflicts (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL,
	settled INTEGER NOT NULL DEFAULT 0,
	verifier TEXT NOT NULL,
	person INTEGER NOT NULL REFERENCES persons (row),
	other INTEGER NOT NULL REFERENCES persons (row),
	at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX conflicts_one ON conflicts (person, other, kind = 'number');
CREATE TABLE reports (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL,
	reason TEXT NOT NULL,
	box BLOB NOT NULL,
	epoch BLOB NOT NULL,
	other BLOB NOT NULL,
	seq INTEGER NOT NULL,
	at INTEGER NOT NULL,
	UNIQUE (kind, reason, box, epoch, other)
) STRICT;
CREATE TABLE site_keys (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	site TEXT NOT NULL,
	generation BLOB NOT NULL,
	key_sealed BLOB NOT NULL,
	maker BLOB,
	made INTEGER NOT NULL,
	UNIQUE (site, generation)
) STRICT;
CREATE TABLE site_grants (
	site TEXT PRIMARY KEY,
	n INTEGER NOT NULL DEFAULT 0,
	current BLOB
) STRICT, WITHOUT ROWID;
CREATE TABLE orders (
	row INTEGER PRIMARY KEY AUTOINCREMENT,
	id BLOB NOT NULL UNIQUE,
	box BLOB NOT NULL REFERENCES boxes (box),
	kind INTEGER NOT NULL,
	time INTEGER NOT NULL,
	given INTEGER NOT NULL,
	outcome TEXT NOT NULL DEFAULT '',
	erasure BLOB,
	closed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX orders_by_box ON orders (box, row);
CREATE TABLE corrections (
	box BLOB NOT NULL REFERENCES boxes (box),
	epoch BLOB NOT NULL,
	offset_ms INTEGER NOT NULL,
	measured INTEGER NOT NULL,
	PRIMARY KEY (box, epoch)
) STRICT, WITHOUT ROWID;
`
