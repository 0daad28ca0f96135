package store

import (
	"context"
	"time"
)

// Bounds of a look at what is too old.
const (
	deletedAtOnce = 1000                 // rows in one transaction, so that the writer is not held up
	deletionsMost = 200                  // transactions in one look
	bucketsFor    = 365 * 24 * time.Hour // counts are small, and are kept longer than what they count
	minutesFor    = 7 * 24 * time.Hour
	writersFor    = 7 * 24 * time.Hour
	sizeKept      = 0.9 // of the bound, once it was passed
)

// keep deletes what is older or more than is to be kept, and gives SQLite's free pages back.
func (s *Store) keep(ctx context.Context) error {
	db, err := s.open(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	if s.options.KeepFor > 0 {
		if err := db.deleteBefore(ctx, now.Add(-s.options.KeepFor)); err != nil {
			return err
		}
	}
	err = db.within(ctx, func(t *transaction) {
		t.exec("DELETE FROM bucket WHERE minute < $1", now.Add(-minutesFor).Unix()/60)
		t.exec("DELETE FROM halfhour WHERE slot < $1", now.Add(-bucketsFor).Unix()/60/halfHour)
		t.exec("DELETE FROM writer WHERE at < $1", now.Add(-writersFor).UnixMicro())
	})
	if err != nil {
		return err
	}
	if err := s.keepSize(ctx, db); err != nil {
		return err
	}
	return db.tidy(ctx)
}

// deleteBefore deletes what is older, in small transactions.
func (db *database) deleteBefore(ctx context.Context, before time.Time) error {
	for _, statement := range []string{
		"DELETE FROM incident WHERE id IN (SELECT id FROM incident WHERE at < $1 ORDER BY at LIMIT 1000)",
		"DELETE FROM change WHERE id IN (SELECT id FROM change WHERE at < $1 ORDER BY at LIMIT 1000)",
	} {
		for range deletionsMost {
			var n int64
			if err := db.within(ctx, func(t *transaction) { n = t.exec(statement, before.UnixMicro()) }); err != nil {
				return err
			}
			if n < deletedAtOnce {
				break
			}
		}
	}
	return nil
}

// keepSize deletes the oldest incidents until what is left takes nine tenths of the bound.
func (s *Store) keepSize(ctx context.Context, db *database) error {
	most := s.options.KeepSize
	if most <= 0 {
		return nil
	}
	for turn := range deletionsMost {
		size, err := db.size(ctx)
		if err != nil {
			return err
		}
		if size <= most && turn == 0 || size <= int64(float64(most)*sizeKept) {
			return nil
		}
		var n int64
		if err := db.within(ctx, func(t *transaction) {
			n = t.exec("DELETE FROM incident WHERE id IN (SELECT id FROM incident ORDER BY at LIMIT 1000)")
		}); err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// size is how many bytes are in use: pages that are free but still in the file are not.
func (db *database) size(ctx context.Context) (n int64, err error) {
	statement := "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size) - (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size)"
	if db.kind == postgres { // dead rows stay in a table until autovacuum: what lives is estimated
		statement = `SELECT (COALESCE((SELECT avg(octet_length(doc)) + 400 FROM (SELECT doc FROM incident ORDER BY at DESC LIMIT 200) AS newest), 0)
			* (SELECT count(*) FROM incident))::bigint`
	}
	err = db.read.QueryRowContext(ctx, statement).Scan(&n)
	return n, err
}

// tidy gives free pages back to the file system, and moves the write-ahead log into the file.
func (db *database) tidy(ctx context.Context) error {
	if db.kind != sqlite {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if _, err := db.write.ExecContext(ctx, "PRAGMA incremental_vacuum(1000)"); err != nil {
		return err
	}
	_, err := db.write.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)") // it gives up where a reader is in the way, which has two seconds
	return err
}
