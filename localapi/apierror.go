package localapi

import (
	"errors"
	"fmt"
)

// ErrorCode says what was wrong with a request. Codes are stable; messages are not.
type ErrorCode string

// Error codes, with the HTTP status that each goes with (RFC 9110 §15).
const (
	CodeWrongHost        ErrorCode = "wrong_host"           // 421: the Host header is not a name of this box
	CodeForeignOrigin    ErrorCode = "foreign_origin"       // 403: a page of another origin asked, or a write over TCP names none
	CodeMethod           ErrorCode = "method_not_allowed"   // 405
	CodeNotFound         ErrorCode = "not_found"            // 404
	CodeUnknownParameter ErrorCode = "unknown_parameter"    // 400: a query parameter that does not exist, or twice
	CodeBadParameter     ErrorCode = "bad_parameter"        // 400: a query parameter with a bad value
	CodeTooManyStreams   ErrorCode = "too_many_streams"     // 503
	CodeBoxFailed        ErrorCode = "box_failed"           // 500: the box could not answer; its log says why
	CodeMediaType        ErrorCode = "media_type"           // 415: the body is not application/json
	CodeBodyTooLarge     ErrorCode = "body_too_large"       // 413
	CodeBadBody          ErrorCode = "bad_body"             // 400: not JSON of the shape asked for, or a field unknown or twice
	CodeNextForm         ErrorCode = "next_form"            // 422: ErrNextForm
	CodeNextBusy         ErrorCode = "next_busy"            // 409: ErrNextBusy
	CodeNextReader       ErrorCode = "next_reader"          // 409: ErrNextReader
	CodeNextUnready      ErrorCode = "next_unready"         // 503: ErrNextUnready
	CodeNextNotServed    ErrorCode = "next_not_served"      // 409: ErrNextNotServed
	CodeLocked           ErrorCode = "locked"               // 409: ErrLocked
	CodeDeskForm         ErrorCode = "desk_form"            // 422: ErrDeskForm
	CodeCode             ErrorCode = "wrong_code"           // 403: ErrCode
	CodeWait             ErrorCode = "wait"                 // 429: ErrWait; Retry-After says how long (RFC 9110 §10.2.3)
	CodeNobody           ErrorCode = "nobody_signed_in"     // 409: ErrNobody
	CodeNoStaff          ErrorCode = "no_staff"             // 409: ErrNoStaff
	CodeUnknown          ErrorCode = "unknown"              // 404: ErrUnknown
	CodeTaken            ErrorCode = "taken"                // 409: ErrTaken
	CodeSocketOnly       ErrorCode = "socket_only"          // 403: only the box's own user may, over the unix socket
	CodeFileForm         ErrorCode = "file_form"            // 422: ErrFileForm
	CodeRoot             ErrorCode = "root"                 // 403: ErrRoot
	CodeThreshold        ErrorCode = "threshold"            // 403: ErrThreshold
	CodeSigner           ErrorCode = "signer"               // 403: ErrSigner
	CodeSignature        ErrorCode = "signature"            // 403: ErrSignature
	CodeRollback         ErrorCode = "rollback"             // 409: ErrRollback
	CodeOlder            ErrorCode = "older"                // 409: ErrOlder
	CodeExpired          ErrorCode = "expired"              // 409: ErrExpired
	CodeOtherSite        ErrorCode = "other_site"           // 409: ErrOtherSite
	CodeBasis            ErrorCode = "basis"                // 422: ErrBasis
	CodeApproval         ErrorCode = "approval"             // 409: ErrApproval
	CodeNoPrevious       ErrorCode = "no_previous"          // 409: ErrNoPrevious
	CodeReverted         ErrorCode = "reverted"             // 409: ErrReverted
	CodeRootReplaced     ErrorCode = "root_replaced"        // 409: ErrRootReplaced
	CodeKeyCode          ErrorCode = "operator_code"        // 403: ErrKeyCode
	CodeKeyWait          ErrorCode = "operator_code_wait"   // 429: ErrKeyWait
	CodeKeyForm          ErrorCode = "operator_code_form"   // 422: ErrKeyForm
	CodeKeyOld           ErrorCode = "operator_code_wanted" // 409: ErrKeyOld
	CodeKeyRule          ErrorCode = "no_rule_without_code" // 409: ErrKeyRule
	CodeNoKeys           ErrorCode = "no_keys"              // 409: ErrNoKeys
	CodeNoCode           ErrorCode = "no_code"              // 409: ErrNoCode
	CodeWiped            ErrorCode = "erased"               // 409: ErrWiped
	CodeMember           ErrorCode = "not_a_member"         // 403: ErrMember
	CodeAnswer           ErrorCode = "other_request"        // 409: ErrAnswer
	CodeSwap             ErrorCode = "swap"                 // 409: ErrSwap
	CodeTPM              ErrorCode = "tpm"                  // 503: ErrTPM
	CodeUnsafe           ErrorCode = "records_not_safe"     // 409: ErrUnsafe
	CodeClosing          ErrorCode = "closing"              // 409: ErrClosing
	CodeCourierForm      ErrorCode = "courier_form"         // 422: ErrCourierForm
	CodeCourierBusy      ErrorCode = "courier_busy"         // 409: ErrCourierBusy
	CodeNoStick          ErrorCode = "no_stick"             // 404: ErrNoStick
	CodeNotMounted       ErrorCode = "stick_not_mounted"    // 409: ErrNotMounted
	CodeStickName        ErrorCode = "stick_name"           // 409: ErrStickName
	CodeNotStick         ErrorCode = "not_a_stick"          // 409: ErrNotStick
	CodeNothing          ErrorCode = "nothing_for_box"      // 409: ErrNothing
	CodeHalf             ErrorCode = "half_copied"          // 409: ErrHalf
	CodeParcel           ErrorCode = "parcel_damaged"       // 409: ErrParcel
	CodeOtherBox         ErrorCode = "other_box"            // 409: ErrOtherBox
	CodeParcelSigner     ErrorCode = "parcel_signer"        // 403: ErrParcelSigner
	CodeNewerRelease     ErrorCode = "newer_release"        // 409: ErrNewerRelease
	CodeCrowded          ErrorCode = "stick_crowded"        // 409: ErrCrowded
	CodeStickReadOnly    ErrorCode = "stick_read_only"      // 409: ErrStickReadOnly
	CodeStickDenied      ErrorCode = "stick_denied"         // 403: ErrStickDenied
	CodeStickFull        ErrorCode = "stick_full"           // 507: ErrStickFull
	CodeStickGone        ErrorCode = "stick_gone"           // 409: ErrStickGone
	CodeCourierStopped   ErrorCode = "courier_stopped"      // 503: ErrCourierStopped
)

// ErrorCodes lists them all, in the order above.
func ErrorCodes() []ErrorCode {
	return []ErrorCode{
		CodeWrongHost, CodeForeignOrigin, CodeMethod, CodeNotFound,
		CodeUnknownParameter, CodeBadParameter, CodeTooManyStreams, CodeBoxFailed,
		CodeMediaType, CodeBodyTooLarge, CodeBadBody, CodeNextForm, CodeNextBusy, CodeNextReader, CodeNextUnready,
		CodeNextNotServed, CodeLocked, CodeDeskForm, CodeCode, CodeWait, CodeNobody, CodeNoStaff, CodeUnknown, CodeTaken,
		CodeSocketOnly, CodeFileForm, CodeRoot, CodeThreshold, CodeSigner, CodeSignature, CodeRollback, CodeOlder, CodeExpired, CodeOtherSite,
		CodeBasis, CodeApproval, CodeNoPrevious, CodeReverted, CodeRootReplaced,
		CodeKeyCode, CodeKeyWait, CodeKeyForm, CodeKeyOld, CodeKeyRule, CodeNoKeys, CodeNoCode, CodeWiped, CodeMember, CodeAnswer, CodeSwap, CodeTPM,
		CodeUnsafe, CodeClosing,
		CodeCourierForm, CodeCourierBusy, CodeNoStick, CodeNotMounted, CodeStickName, CodeNotStick, CodeNothing, CodeHalf, CodeParcel,
		CodeOtherBox, CodeParcelSigner, CodeNewerRelease, CodeCrowded, CodeStickReadOnly, CodeStickDenied, CodeStickFull, CodeStickGone, CodeCourierStopped,
	}
}

// Error is the body of every answer that is not 200, and what Client returns for one.
type Error struct {
	Status    int       `json:"-"` // HTTP status
	Code      ErrorCode `json:"code"`
	MessageEN string    `json:"message_en"`
	MessageJA string    `json:"message_ja"`
	// Wait is how many seconds are to pass before the next try, where the code is CodeWait, CodeKeyWait or CodeKeyCode.
	Wait int `json:"wait,omitempty"`
	// Left is how many codes would be taken now, where the code is CodeKeyCode.
	Left int `json:"left,omitempty"`
	// Records is how many are not safe, where the code is CodeUnsafe.
	Records uint64 `json:"records,omitempty"`
}

// Error is the code and the English message.
func (e *Error) Error() string { return fmt.Sprintf("box answered %s: %s", e.Code, e.MessageEN) }

// reasons are what the codes stand for that a caller may want to tell apart.
var reasons = map[ErrorCode]error{
	CodeNextForm: ErrNextForm, CodeNextBusy: ErrNextBusy, CodeNextReader: ErrNextReader, CodeNextUnready: ErrNextUnready,
	CodeNextNotServed: ErrNextNotServed, CodeLocked: ErrLocked, CodeDeskForm: ErrDeskForm, CodeCode: ErrCode, CodeWait: ErrWait,
	CodeNobody: ErrNobody, CodeNoStaff: ErrNoStaff, CodeUnknown: ErrUnknown, CodeTaken: ErrTaken,
	CodeFileForm: ErrFileForm, CodeRoot: ErrRoot, CodeThreshold: ErrThreshold, CodeSigner: ErrSigner, CodeSignature: ErrSignature,
	CodeRollback: ErrRollback, CodeOlder: ErrOlder, CodeExpired: ErrExpired, CodeOtherSite: ErrOtherSite, CodeBasis: ErrBasis,
	CodeApproval: ErrApproval, CodeNoPrevious: ErrNoPrevious, CodeReverted: ErrReverted, CodeRootReplaced: ErrRootReplaced,
	CodeKeyCode: ErrKeyCode, CodeKeyWait: ErrKeyWait, CodeKeyForm: ErrKeyForm, CodeKeyOld: ErrKeyOld, CodeKeyRule: ErrKeyRule,
	CodeNoKeys: ErrNoKeys, CodeNoCode: ErrNoCode, CodeWiped: ErrWiped, CodeMember: ErrMember, CodeAnswer: ErrAnswer, CodeSwap: ErrSwap,
	CodeTPM: ErrTPM, CodeUnsafe: ErrUnsafe, CodeClosing: ErrClosing,
	CodeCourierForm: ErrCourierForm, CodeCourierBusy: ErrCourierBusy, CodeNoStick: ErrNoStick, CodeNotMounted: ErrNotMounted,
	CodeStickName: ErrStickName, CodeNotStick: ErrNotStick, CodeNothing: ErrNothing, CodeHalf: ErrHalf,
	CodeParcel: ErrParcel, CodeOtherBox: ErrOtherBox, CodeParcelSigner: ErrParcelSigner, CodeNewerRelease: ErrNewerRelease,
	CodeCrowded: ErrCrowded, CodeStickReadOnly: ErrStickReadOnly, CodeStickDenied: ErrStickDenied, CodeStickFull: ErrStickFull,
	CodeStickGone: ErrStickGone, CodeCourierStopped: ErrCourierStopped,
}

// CodeOf is the code for a reason of this package that err wraps; false if it wraps none.
func CodeOf(err error) (ErrorCode, bool) {
	for code, reason := range reasons {
		if errors.Is(err, reason) {
			return code, true
		}
	}
	return "", false
}

// Is reports whether target is the reason that e's code stands for: ErrNextForm, ErrLocked and so on.
func (e *Error) Is(target error) bool {
	reason, ok := reasons[e.Code]
	return ok && reason == target
}

// Errors of Client.
var (
	// ErrUnreachable wraps what the network said: nothing listens at the target, or it went away in the middle.
	ErrUnreachable = errors.New("box does not answer; is `kazashi run` running, and with the same data directory?")
	// ErrNotABox is returned when something answers that is not a box's local API.
	ErrNotABox = errors.New("what answers there is not a kazashi box")
	// ErrTarget is returned by NewClient.
	ErrTarget = errors.New(`target is neither "unix:/path/to/socket" nor "http://host:port"`)
)
