package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"strconv"
	"strings"

	"sayso"
)

// Earning is what somebody got for a vehicle in a week. Amounts are decimal, in
// the token's smallest unit; "" is nothing.
//
// There is one for each vehicle, week and receiver, more than of everything else
// together. So they are not held in memory: they are read from the file.
type Earning struct {
	Week            uint64        `json:"week"`
	Vehicle         uint64        `json:"vehicle"`
	User            sayso.Address `json:"user"`
	Streak          *uint64       `json:"streak,omitempty"` // weeks in a row, where that was rewarded
	StreakTokens    string        `json:"streakTokens,omitempty"`
	Device          uint64        `json:"device,omitempty"`
	DeviceTokens    string        `json:"deviceTokens,omitempty"`
	Synthetic       uint64        `json:"synthetic,omitempty"`
	SyntheticTokens string        `json:"syntheticTokens,omitempty"`
	SentAt          int64         `json:"sentAt"`
}

// Tokens is the sum of what was got.
func (e *Earning) Tokens() *big.Int {
	sum := Amount(e.StreakTokens)
	sum.Add(sum, Amount(e.DeviceTokens))
	return sum.Add(sum, Amount(e.SyntheticTokens))
}

// Amount reads a decimal amount; "" is nothing.
func Amount(decimal string) *big.Int {
	n, ok := new(big.Int).SetString(decimal, 10)
	if !ok {
		return new(big.Int)
	}
	return n
}

// Place is where an earning stands in a list.
func (e *Earning) Place() EarningPlace { return EarningPlace{e.Week, e.Vehicle, e.User} }

// EarningPlace is a place in a list of earnings: the latest week first, then the
// highest vehicle, then the receiver.
type EarningPlace struct {
	Week, Vehicle uint64
	User          sayso.Address
}

func (p EarningPlace) key() string {
	return numberKey(p.Week) + "/" + numberKey(p.Vehicle) + "/" + p.User.Lower()
}

// Earning reads an earning.
func (tx *Tx) Earning(p EarningPlace) (Earning, bool) { return read[Earning](tx, earnings, p.key()) }

// PutEarning writes an earning.
func (tx *Tx) PutEarning(e Earning) { change(tx, earnings, e.Place().key(), &e) }

// earning reads a row from the file; nil where there is none.
func (r *Registry) earning(key string) (any, error) {
	var body string
	err := r.db.QueryRow(`SELECT body FROM earnings WHERE key = ?`, key).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("earning %s: %w", key, err)
	}
	return decode(earnings, []byte(body))
}

// earn writes an earning, or takes it away.
func (w *writer) earn(key string, row any) {
	e, ok := row.(*Earning)
	if !ok {
		w.exec(`DELETE FROM earnings WHERE key = ?`, key)
		return
	}
	w.exec(`INSERT INTO earnings (key, week, vehicle, receiver, device, body) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET device = excluded.device, body = excluded.body`,
		key, int64(e.Week), int64(e.Vehicle), e.User.Lower(), int64(e.Device), w.encode(row))
}

// EarningList is the earnings of a vehicle, of a device or of an account.
type EarningList struct {
	db    *sql.DB
	where string
	of    any
	err   error
}

// EarningsOf is the earnings for a vehicle.
func (r *Registry) EarningsOf(vehicle uint64) *EarningList {
	return &EarningList{db: r.reads, where: "vehicle = ?", of: int64(vehicle)}
}

// EarningsBy is the earnings in which a device has a part.
func (r *Registry) EarningsBy(device uint64) *EarningList {
	return &EarningList{db: r.reads, where: "device = ?", of: int64(device)}
}

// EarningsTo is what an account got.
func (r *Registry) EarningsTo(receiver sayso.Address) *EarningList {
	return &EarningList{db: r.reads, where: "receiver = ?", of: receiver.Lower()}
}

// Down is the list from the latest on, or from below a place.
func (l *EarningList) Down(ctx context.Context, below *EarningPlace) iter.Seq[Earning] {
	return l.walk(ctx, below, "<", "DESC")
}

// Up is the list the other way round, from above a place.
func (l *EarningList) Up(ctx context.Context, above *EarningPlace) iter.Seq[Earning] {
	return l.walk(ctx, above, ">", "ASC")
}

// Err is why a list ended before its end.
func (l *EarningList) Err() error { return l.err }

// earningPart is how many earnings are read at a time, so that no reader holds
// the file for long.
const earningPart = 200

func (l *EarningList) walk(ctx context.Context, from *EarningPlace, than, order string) iter.Seq[Earning] {
	return func(yield func(Earning) bool) {
		for {
			part, err := l.part(ctx, from, than, order)
			if err != nil {
				l.err = fmt.Errorf("registry: earnings: %w", err)
				return
			}
			for _, e := range part {
				if !yield(e) {
					return
				}
			}
			if len(part) < earningPart {
				return
			}
			at := part[len(part)-1].Place()
			from = &at
		}
	}
}

func (l *EarningList) part(ctx context.Context, from *EarningPlace, than, order string) (out []Earning, err error) {
	where, args := l.where, []any{l.of}
	if from != nil {
		where += " AND (week, vehicle, receiver) " + than + " (?, ?, ?)"
		args = append(args, int64(from.Week), int64(from.Vehicle), from.User.Lower())
	}
	by := strings.ReplaceAll("week ?, vehicle ?, receiver ?", "?", order)
	rows, err := l.db.QueryContext(ctx, `SELECT body FROM earnings WHERE `+where+` ORDER BY `+by+` LIMIT `+strconv.Itoa(earningPart), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var body []byte
		var e Earning
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// Count is how many there are.
func (l *EarningList) Count(ctx context.Context) (n int, err error) {
	err = l.db.QueryRowContext(ctx, `SELECT count(*) FROM earnings WHERE `+l.where, l.of).Scan(&n)
	return n, err
}
