// chat: one room over WebSocket, in one static program.
package main

import (
	"context"
	_ "embed"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

//go:embed index.html
var page []byte

const (
	maxMembers  = 1000
	historySize = 50
	// Below the gateway's idle timeout ([http] idle_timeout), so that a quiet room stays connected.
	pingEvery = 20 * time.Second
)

// room hands every message to every member. A member that does not read fast enough is let go: it must not hold the others.
type room struct {
	mu      sync.Mutex
	members map[chan []byte]struct{}
	history [][]byte
	closed  bool
}

func (r *room) join() (chan []byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || len(r.members) >= maxMembers {
		return nil, false
	}
	inbox := make(chan []byte, historySize+64)
	for _, message := range r.history {
		inbox <- message
	}
	r.members[inbox] = struct{}{}
	return inbox, true
}

func (r *room) leave(inbox chan []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.members[inbox]; there {
		delete(r.members, inbox)
		close(inbox)
	}
}

func (r *room) say(message []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, message)
	if len(r.history) > historySize {
		r.history = r.history[1:]
	}
	for inbox := range r.members {
		select {
		case inbox <- message:
		default:
			delete(r.members, inbox)
			close(inbox)
		}
	}
}

func (r *room) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for inbox := range r.members {
		delete(r.members, inbox)
		close(inbox)
	}
}

func (r *room) serve(w http.ResponseWriter, request *http.Request) {
	socket, err := upgrade(w, request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer socket.close()
	inbox, ok := r.join()
	if !ok {
		socket.sayGoodbye(closeTryAgainLater)
		return
	}
	go func() {
		defer r.leave(inbox)
		for {
			message, err := socket.read()
			if err != nil {
				return
			}
			r.say(message)
		}
	}()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		select {
		case message, open := <-inbox:
			if !open {
				socket.sayGoodbye(closeGoingAway)
				return
			}
			if socket.write(opText, message) != nil {
				r.leave(inbox)
				return
			}
		case <-ping.C:
			if socket.write(opPing, nil) != nil {
				r.leave(inbox)
				return
			}
		}
	}
}

func main() {
	log.SetFlags(0)
	log.SetOutput(os.Stdout)
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	chat := &room{members: map[chan []byte]struct{}{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", chat.serve)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("/", func(w http.ResponseWriter, request *http.Request) {
		if request.URL.Path != "/" {
			http.NotFound(w, request)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	server := &http.Server{Addr: ":" + port, Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	stop, forget := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer forget()
	go func() {
		log.Printf("listening on port %s", port)
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()
	<-stop.Done()
	// Members are told to come back (the page does): Shutdown does not know of connections that were taken over.
	chat.close()
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = server.Shutdown(grace)
	sockets.Wait(grace)
	log.Print("stopped")
}
