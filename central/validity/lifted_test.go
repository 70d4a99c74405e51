package validity_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/validity"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
)

// partitions is a store of lists in partitions, by one of the rig's authorities.
type partitions struct {
	*rig

	by    *pki.Authority
	lists *crl.Store
}

// part takes the list n of a partition, made so many hours after the day began, with a hold or with nothing.
func (p partitions) part(name string, n int64, at int, held *certid.Serial) {
	p.t.Helper()
	marshal := func(v any) []byte { b, err := asn1.Marshal(v); must(p.t, err); return b }
	inside := func(class, tag int, b []byte) []byte {
		return marshal(asn1.RawValue{Class: class, Tag: tag, IsCompound: true, Bytes: b})
	}
	point := inside(asn1.ClassContextSpecific, 4, marshal(pkix.Name{Country: []string{"JP"}, CommonName: name}.ToRDNSequence()))
	for range 2 { // the full name of a distribution point (RFC 5280, 5.2.5)
		point = inside(asn1.ClassContextSpecific, 0, point)
	}
	made := day.Add(time.Duration(at) * time.Hour)
	list := &x509.RevocationList{Number: big.NewInt(n), ThisUpdate: made, NextUpdate: made.Add(72 * time.Hour), ExtraExtensions: []pkix.Extension{
		{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: inside(asn1.ClassUniversal, asn1.TagSequence, point)},
	}}
	if held != nil {
		list.RevokedCertificateEntries = []x509.RevocationListEntry{
			{SerialNumber: new(big.Int).SetBytes(held.Bytes()), RevocationTime: day.Add(-time.Hour), ReasonCode: int(pki.CertificateHold)},
		}
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, p.by.Cert, p.by.Key)
	must(p.t, err)
	_, err = p.lists.Ingest(p.t.Context(), bytes.NewReader(der), crl.IngestOptions{Scope: auth})
	must(p.t, err)
}

// P7: a certificate that ended left its list for that, though another partition's list is from before its end.
func TestP7TheEndIsWhyInPartitions(t *testing.T) {
	r := newRig(t)
	p := partitions{r, r.generation(3), openPartitions(t, r, 2)}
	r.authority.Lists = p.lists
	id := certid.CertID{Scope: auth, Serial: mustSerial(t, 0x123456)}
	hour := func(n int) time.Time { return day.Add(time.Duration(n) * time.Hour) }
	p.part("a", 1, 0, nil)
	p.part("b", 1, 0, &id.Serial)
	_, err := p.lists.Build(t.Context(), auth)
	must(t, err)
	r.add(25 * time.Hour)
	p.part("a", 2, 24, nil)
	p.part("b", 2, 24, &id.Serial)
	_, err = p.lists.Build(t.Context(), auth)
	must(t, err)
	r.add(24 * time.Hour)
	p.part("b", 3, 48, nil) // a's is not to be had
	_, err = p.lists.Build(t.Context(), auth)
	must(t, err)
	for _, k := range []struct {
		name string
		end  time.Time
		want validity.Lift
	}{
		{"ended between the lists", hour(36), validity.Lift{}},
		{"ends as it is looked at", hour(49), validity.Lift{}},
		{"ends later", hour(50), validity.Lift{Lifted: true}},
	} {
		got, err := r.authority.Lift(t.Context(), id, r.short(3), validity.Held{From: hour(12), To: hour(12), Answered: day, NotAfter: k.end})
		if got != k.want || err != nil {
			t.Errorf("%s: Lift = %+v, %v, want %+v", k.name, got, err, k.want)
		}
	}
}

// P7: no absence lifts a hold in a list that is over, that does not speak of the issuer, or that was made after the certificate's end, be it by a
// clock that goes fast.
func TestP7WhatDoesNotLift(t *testing.T) {
	r := newRig(t)
	lift := func(when string, issuer content.Issuer, end time.Time, want bool) {
		t.Helper()
		id := certid.CertID{Scope: auth, Serial: mustSerial(t, 0x123456)}
		tapped := day.Add(-time.Hour)
		got, err := r.authority.Lift(t.Context(), id, issuer, validity.Held{From: tapped, To: tapped, Answered: tapped, NotAfter: end})
		if got.Lifted != want || err != nil {
			t.Errorf("%s: Lift = %+v, %v, want lifted %t", when, got, err, want)
		}
	}
	end := day.AddDate(0, 2, 0)
	r.list(r.generation(2), 1)
	lift("a newer generation's certificate", r.short(3), end, false)
	lift("the signer's own", r.short(2), end, true)
	r.add(59 * time.Minute)
	lift("as the list ends", r.short(2), end, true)
	r.add(time.Second)
	lift("a list that is over", r.short(2), end, false)
	r.add(-61*time.Minute - time.Second) // the list is of a minute before the day began: a minute ahead
	lift("ends after a list that was made a minute from now", r.short(2), day.Add(-30*time.Second), true)
	lift("ends before it", r.short(2), day.Add(-90*time.Second), false)
}
