package jpki

import "errors"

// ErrNotCertificate says that octets are no X.509 certificate at all, or more than MaxCertificateLen of them.
var ErrNotCertificate = errors.New("not an X.509 certificate")

// ErrAnchor says that a certificate cannot serve as an anchor; the message names the reason.
var ErrAnchor = errors.New("unusable trust anchor")

// Faults of an authentication certificate's profile, in the order in which they are looked for. They come from the issuer's
// published certificates and one published authentication certificate (docs.rs crate myna 0.3.0, test vector).
var (
	ErrVersion     = errors.New("certificate is not of version 3")
	ErrAlgorithm   = errors.New("certificate is not signed with an accepted algorithm")
	ErrKey         = errors.New("certificate's key is not RSA of 2048 bits with exponent 65537")
	ErrSerial      = errors.New("certificate's serial number is not a positive integer of at most 20 octets")
	ErrCritical    = errors.New("certificate has a critical extension that is not known here")
	ErrAuthority   = errors.New("certificate is an authority's, not a person's")
	ErrValidity    = errors.New("certificate's validity ends before it begins")
	ErrSubject     = errors.New("certificate's subject is not C=JP and a common name of 23 letters and digits")
	ErrKeyUsage    = errors.New("certificate's key usage is not digitalSignature alone and critical")
	ErrExtKeyUsage = errors.New("certificate's extended key usage is not clientAuth alone")
	ErrPolicy      = errors.New("certificate's policy is not that of authentication certificates")
	ErrCRLPoint    = errors.New("certificate does not name one directory entry of its own hierarchy as CRL distribution point")
	ErrPurpose     = errors.New("certificate was signed by an authority that does not issue authentication certificates")
)

// Faults of a revocation list.
var (
	ErrNotCRL           = errors.New("not an X.509 revocation list")
	ErrCRLProfile       = errors.New("revocation list is of a kind that cannot be used here")
	ErrCRLIssuerUnknown = errors.New("revocation list's issuer key is not known here")
	ErrCRLSignature     = errors.New("revocation list is not signed by the key it names")
)
