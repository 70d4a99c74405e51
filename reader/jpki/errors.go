package jpki

import "errors"

// ErrNotCertificate says that octets are no X.509 certificate at all, or more than MaxCertificateLen of them.
var ErrNotCertificate = errors.New("not an X.509 certificate")

// ErrAnchor says that a certificate cannot serve as an anchor; the message names the reason.
var ErrAnchor = errors.New("unusable trust anchor")

// Faults of a certificate's profile, in the order in which they are looked for. They come from RFC 5280, the issuer's published
// certificates and one published authentication certificate (docs.rs crate myna 0.3.0, test vector).
var (
	ErrVersion   = errors.New("certificate is not of version 3")
	ErrAlgorithm = errors.New("certificate is not signed with an accepted algorithm")
	ErrKey       = errors.New("certificate's key is neither RSA of 2048 bits with exponent 65537 nor on P-384")
	ErrSerial    = errors.New("certificate's serial number is not a positive integer of at most 20 octets")
	ErrCritical  = errors.New("certificate has a critical extension that is not known here")
	// ErrMissing comes together with the fault of the extension that is not there, such as ErrKeyUsage.
	ErrMissing   = errors.New("certificate lacks an extension")
	ErrAuthority = errors.New("certificate is an authority's, not a person's")
	ErrValidity  = errors.New("certificate's validity ends before it begins")
	// ErrLifetime is wide on purpose: certificates end on the fifth birthday at the latest, renewal begins three months before the
	// old one's end, so none of today's lasts six years. The next card's are planned for ten.
	ErrLifetime    = errors.New("certificate is valid for longer than any of its kind")
	ErrSubject     = errors.New("certificate's subject is not C=JP and a common name, in the form of its purpose")
	ErrKeyUsage    = errors.New("certificate's key usage is not that of its purpose, alone and critical")
	ErrExtKeyUsage = errors.New("certificate's extended key usage is not clientAuth alone")
	// ErrPhone says that the policy is that of a phone's certificate (移動端末設備用電子証明書), see AuthCert.Phone.
	ErrPhone    = errors.New("certificate's policy is that of certificates on phones")
	ErrPolicy   = errors.New("certificate's policy is not that of its purpose, alone and critical")
	ErrCRLPoint = errors.New("certificate does not name one directory entry of its own hierarchy as CRL distribution point")
	ErrPurpose  = errors.New("certificate was signed by an authority of another purpose")
	// ErrAttributes and ErrBirthDate are for signature certificates only.
	ErrAttributes = errors.New("certificate does not carry the holder's attributes as published")
	ErrBirthDate  = errors.New("certificate's birth date is no date, or lies outside its era")
)

// ErrDuplicate comes together with ErrNotCertificate: an extension stands twice (RFC 5280 §4.2), so that no two readers need
// agree on what the certificate says.
var ErrDuplicate = errors.New("certificate has an extension twice")

// Faults of a revocation list.
var (
	ErrNotCRL           = errors.New("not an X.509 revocation list")
	ErrCRLProfile       = errors.New("revocation list is of a kind that cannot be used here")
	ErrCRLIssuerUnknown = errors.New("revocation list's issuer key is not known here")
	ErrCRLSignature     = errors.New("revocation list is not signed by the key it names")
)
