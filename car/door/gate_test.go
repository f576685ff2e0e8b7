package door_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sayso"
	"sayso/car/door"
	"sayso/internal/express"
)

var signedIn = map[string]string{"Authorization": "Bearer device"}

// Where more wait than can have a place in time, a message is turned away by its
// head: its body is not waited for.
func TestTheCrowdIsTurnedAwayUnread(t *testing.T) {
	s := newStreet(t)
	s.door.Gate = door.NewGate(1, 64<<20)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	lane := express.New(l, door.Path, s.door, slog.New(slog.DiscardHandler))
	defer lane.Close()
	held, letGo := make(chan struct{}, 100), make(chan struct{})
	keep := s.door.Keep
	s.door.Keep = func(ctx context.Context, p *door.Parcel) (bool, error) {
		held <- struct{}{}
		<-letGo
		return keep(ctx, p)
	}
	done := make(chan struct{})
	stop := make(chan struct{})
	for i := range 12 { // one is in, and there are always more than four that wait
		go func() {
			defer func() { done <- struct{}{} }()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				s.send(request{body: strings.NewReader(event(fmt.Sprint(i, "/", n), speeds(now))), header: signedIn})
			}
		}()
	}
	<-held
	unread := false
	for range 50 {
		conn, err := net.Dial("tcp", l.Addr().String())
		s.must(err)
		_, err = io.WriteString(conn, "POST "+door.Path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer device\r\nContent-Length: 2000\r\n\r\n")
		s.must(err)
		s.must(conn.SetReadDeadline(time.Now().Add(2 * time.Second)))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		conn.Close()
		if err == nil && res.StatusCode == 503 && res.Header.Get("Retry-After") == "1" {
			unread = true
			break
		}
	}
	if !unread {
		t.Error("the body of a message that has no chance is waited for")
	}
	close(letGo)
	close(stop)
	for range 12 {
		<-done
	}
}

// Refusals are kept back the longer the more there are, so that they leave at a
// bounded pace; one alone leaves at once.
func TestRefusalsLeaveAtAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := door.NewGate(1, 1)
		pace := func(senders int) float64 {
			began, left := time.Now(), 0
			ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
			defer stop()
			counts := make(chan int)
			for range senders {
				go func() {
					n := 0
					for ; ctx.Err() == nil; n++ {
						g.Hold(ctx)
					}
					counts <- n
				}()
			}
			for range senders {
				left += <-counts
			}
			return float64(left) / time.Since(began).Seconds()
		}
		if one := pace(1); one < 400 {
			t.Errorf("a single sender is refused %.0f times a second", one)
		}
		for _, senders := range []int{10, 300, 3000} {
			if rate := pace(senders); rate > 2000 {
				t.Errorf("%d senders are refused %.0f times a second", senders, rate)
			}
		}
		if g.Held() != 0 {
			t.Error(g.Held(), "are held for ever")
		}
		began := time.Now()
		for range 50_000 {
			go g.Hold(t.Context())
		}
		synctest.Wait()
		g.Hold(t.Context())
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("one of 50,000 waits for %s", took)
		}
		var none *door.Gate
		none.Hold(t.Context())
		if err := none.Crowded(true); err != nil {
			t.Error(err)
		}
	})
}

// Forged messages are refused at that pace too, and take no place.
func TestForgedMessagesAreHeld(t *testing.T) {
	s := newStreet(t)
	s.door.Gate = door.NewGate(1, 64<<20)
	leave, err := s.door.Gate.Enter(t.Context(), false)
	s.must(err)
	most := int64(0)
	answers := make(chan int)
	for i := range 20 {
		go func() {
			status, _, _ := s.send(request{body: strings.NewReader(event(fmt.Sprint(i), speeds(now))), header: map[string]string{"Authorization": "Bearer forged"}})
			answers <- status
		}()
	}
	for n := 0; n < 20; {
		select {
		case status := <-answers:
			n++
			if status != sayso.Unauthorized.Status() {
				t.Error(status)
			}
		default:
			most = max(most, s.door.Gate.Held())
			time.Sleep(50 * time.Microsecond)
		}
	}
	if most == 0 {
		t.Error("no refusal was held")
	}
	leave()
	if now, _ := s.door.Gate.Busy(); now != 0 || len(s.kept) != 0 {
		t.Errorf("%d under way, %d kept", now, len(s.kept))
	}
}

// How many may wait follows the pace: where places are given too slowly, the next
// are turned away at once instead of in vain; and more may wait when they are given
// in time again.
func TestTheRoomFollowsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := door.NewGate(8, 1)
		wait := func(n int) (late int) {
			failed := make(chan bool, n)
			for range n {
				go func() {
					leave, err := g.Enter(t.Context(), true)
					if err == nil {
						leave()
					}
					failed <- err != nil
				}()
			}
			synctest.Wait()
			if g.Crowded(true) != nil {
				late = -1 << 20 // the next would be turned away
			}
			for range n {
				if <-failed {
					late++
				}
			}
			return late
		}
		var leave [8]func()
		for i := range leave {
			leave[i], _ = g.Enter(t.Context(), true)
		}
		if late := wait(31); late != 31 {
			t.Errorf("%d of 31 wait in vain while nobody leaves", late)
		}
		if late := wait(8); late >= 0 {
			t.Error("as many may wait as before although nobody gets a place")
		}
		for range 3 {
			for _, l := range leave {
				l()
			}
			for i := range leave {
				leave[i], _ = g.Enter(t.Context(), true)
			}
			for range 40 { // one after the other waits, and gets a place
				go func() {
					l, err := g.Enter(t.Context(), true)
					if err != nil {
						t.Error(err)
						return
					}
					leave[0] = l
				}()
				synctest.Wait()
				leave[0]()
				synctest.Wait()
			}
		}
		if late := wait(20); late < 0 {
			t.Error("the room does not grow again")
		}
		for _, l := range leave {
			l()
		}
	})
}

// Many at once wait; once somebody has been waiting all the time, those who come
// are told sooner; and who finds nobody waiting has the patience of before.
func TestAStandingQueueIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := door.NewGate(1, 1)
		leave, err := g.Enter(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
		const apart, some = 5 * time.Millisecond, 80
		var waited [some]time.Duration
		queue := func(n int) {
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					came := time.Now()
					if _, err := g.Enter(t.Context(), true); sayso.FaultOf(err) != sayso.Busy {
						t.Error(err)
					}
					waited[i] = time.Since(came)
				})
				time.Sleep(apart)
			}
			all.Wait()
		}
		for range 2 {
			queue(some)
			for i, d := range waited {
				if want := 100 * time.Millisecond; i <= 20 && d != want {
					t.Errorf("one that came %s after the first waited %s, not %s", time.Duration(i)*apart, d, want)
				}
				if want := 10 * time.Millisecond; i > 20 && d != want {
					t.Errorf("one that came %s after the first waited %s, not %s", time.Duration(i)*apart, d, want)
				}
			}
		}
	})
}
