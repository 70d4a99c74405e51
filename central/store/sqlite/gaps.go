package sqlite

import (
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// gaps finds what is missing of box ?1. own are the box's epochs, those that are only named included; held and named are the
// greatest number that is here and that a successor says. Every held number shows what lacks before it, and so does the number
// after a named end beyond them. A number that is held twice shows nothing. All of it is read from the index by
// epoch and number; the few envelopes that were set aside come from an index of their own.
const gaps = `
WITH known AS (
	SELECT epoch, row * 2 + 1 AS place, 0 AS headless FROM epochs WHERE box = ?1
	UNION ALL
	SELECT predecessor, min(row) * 2, 1 FROM epochs s WHERE box = ?1 AND predecessor IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM epochs e WHERE e.epoch = s.predecessor) GROUP BY predecessor
), own AS (
	SELECT epoch, place, headless,
		coalesce((SELECT v.seq FROM envelopes v WHERE v.epoch = k.epoch
			AND v.row NOT IN (SELECT row FROM envelopes WHERE state = 4) ORDER BY v.seq DESC LIMIT 1), 0) AS held,
		coalesce((SELECT max(s.predecessor_last) FROM epochs s WHERE s.predecessor = k.epoch AND s.box = ?1), 0) AS named
	FROM known k
), points AS (
	SELECT o.epoch, o.place, v.seq FROM own o CROSS JOIN envelopes v ON v.epoch = o.epoch
		WHERE v.row NOT IN (SELECT row FROM envelopes WHERE state = 4)
	UNION ALL
	SELECT epoch, place, named + 1 FROM own WHERE named > held
)
SELECT epoch, first, last, headless FROM (
	SELECT epoch, place, 0 AS first, 0 AS last, 1 AS headless FROM own WHERE headless
	UNION ALL
	SELECT epoch, place, lag(seq, 1, 0) OVER (PARTITION BY place ORDER BY seq) + 1, seq - 1, 0 FROM points
) WHERE headless OR first <= last ORDER BY place, first LIMIT ?2`

// incomplete counts the epochs of which gaps finds something missing, by what is held and what there should be. It reads the same
// index from end to end.
const incomplete = `
SELECT count(*) FROM (
	SELECT epoch, box, 0 AS headless FROM epochs
	UNION ALL
	SELECT predecessor, box, 1 FROM epochs s WHERE predecessor IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM epochs e WHERE e.epoch = s.predecessor) GROUP BY predecessor, box
) k LEFT JOIN (
	SELECT epoch, count(DISTINCT seq) AS n, max(seq) AS last FROM envelopes
	WHERE row NOT IN (SELECT row FROM envelopes WHERE state = 4) GROUP BY epoch
) h ON h.epoch = k.epoch
WHERE headless OR coalesce(h.n, 0) < max(coalesce(h.last, 0),
	coalesce((SELECT max(s.predecessor_last) FROM epochs s WHERE s.predecessor = k.epoch AND s.box = k.box), 0))`

func scanGap(s scanner) (g store.Gap, err error) {
	return g, s.Scan(octets(g.Epoch.ID128[:]), &g.First, &g.Last, &g.HeaderMissing)
}

func (t *tx) Gaps(id record.BoxID, limit int) ([]store.Gap, error) {
	return each(t, scanGap, gaps, id.ID128[:], limit)
}
