// Package uplink is the direct way between a box and central: HTTP over mutual TLS 1.3 in which each side knows the other by
// its public key and by nothing else.
//
// Certificates are self-signed wrappers; names, authorities and dates in them are ignored on purpose, so that nothing
// expires in a cupboard. Tickets are off, so the key is compared on every connection. A [Client] may be used from any
// goroutine. Nothing here is durable: what an answer promises, the caller behind [Service] has stored before it answered.
package uplink

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"kazashi.example/sync/sign"
)

// Errors of the connection.
var (
	// ErrIntercepted says that somebody else's key answered: a proxy that opens TLS, a captive portal, or an attack.
	ErrIntercepted = errors.New("the other end is not central: its TLS key is not the one in the trust bundle (a proxy that inspects TLS?)")
	// ErrPeerKey says that the peer showed no ECDSA P-256 key.
	ErrPeerKey = errors.New("the peer showed no usable key")
)

// WrapKey makes the self-signed certificate that carries a key in the handshake.
func WrapKey(key crypto.Signer) (tls.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "kazashi bound key"},
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 §4.1.2.5: no expiry
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("wrapping a key for TLS: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// peerKey is the key of the certificate that the peer proved to hold.
func peerKey(cs tls.ConnectionState) (sign.PublicKey, error) {
	if len(cs.PeerCertificates) == 0 {
		return sign.PublicKey{}, ErrPeerKey
	}
	k, ok := cs.PeerCertificates[0].PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return sign.PublicKey{}, ErrPeerKey
	}
	return sign.PublicKeyOf(k)
}

// ServerConfig is central's side: any client key is let through the handshake, and asked for at each request, because a box
// that is not known yet must be able to join.
func ServerConfig(key crypto.Signer) (*tls.Config, error) {
	cert, err := WrapKey(key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{cert},
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		NextProtos:             []string{"http/1.1"},
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, err := peerKey(cs)
			return err
		},
	}, nil
}

// clientConfig is the box's side. check sees the server's key on every connection.
func clientConfig(device crypto.Signer, check func(sign.PublicKey) error) (*tls.Config, error) {
	cert, err := WrapKey(device)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{cert},
		InsecureSkipVerify:     true, // names and dates are ignored on purpose; VerifyConnection compares the key
		SessionTicketsDisabled: true,
		ServerName:             "central.kazashi.example",
		NextProtos:             []string{"http/1.1"},
		VerifyConnection: func(cs tls.ConnectionState) error {
			k, err := peerKey(cs)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrIntercepted, err)
			}
			return check(k)
		},
	}, nil
}
