package sitekeys

import (
	"errors"
	"maps"
	"slices"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sitekey"
)

// Site says what a site has.
type Site struct {
	Site    record.SiteID
	Boxes   int             // that may hold its keys
	Keys    []store.SiteKey // in the order in which they came
	Current sitekey.Generation
	Grant   uint64 // number of the newest grant
}

// Sites lists every site with boxes or keys, in the order of their names.
func Sites(tx store.Tx) ([]Site, error) {
	names, err := tx.SiteKeySites()
	if err != nil {
		return nil, err
	}
	boxes, err := tx.AllBoxes()
	if err != nil {
		return nil, err
	}
	count := map[record.SiteID]int{}
	for _, s := range names {
		count[s] = 0
	}
	for _, b := range boxes {
		count[b.Site] += 0
		if member(b) {
			count[b.Site]++
		}
	}
	all := make([]Site, 0, len(count))
	for _, name := range slices.Sorted(maps.Keys(count)) {
		s, err := siteOf(tx, name)
		if err != nil {
			return nil, err
		}
		s.Boxes = count[name]
		all = append(all, s)
	}
	return all, nil
}

// siteOf reads one site, but for its boxes.
func siteOf(tx store.Tx, name record.SiteID) (s Site, err error) {
	s.Site = name
	if s.Keys, err = tx.SiteKeys(name); err != nil {
		return s, err
	}
	if s.Grant, err = tx.GrantNumber(name); err != nil {
		return s, err
	}
	s.Current, err = tx.CurrentSiteKey(name)
	if errors.Is(err, store.ErrNone) {
		err = nil
	}
	return s, err
}
