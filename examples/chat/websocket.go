package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// The server's side of RFC 6455, as much of it as a chat needs: text messages, fragments, ping, close.
const (
	opContinuation = 0
	opText         = 1
	opClose        = 8
	opPing         = 9
	opPong         = 10

	closeGoingAway     = 1001
	closeTryAgainLater = 1013

	maxMessage   = 16 << 10
	writeTimeout = 10 * time.Second
	// A peer that has not even answered a ping for so long is gone.
	readTimeout = 3 * pingEvery
)

type websocket struct {
	conn   net.Conn
	reader *bufio.Reader
	mu     sync.Mutex // one frame at a time
}

// counter is a WaitGroup whose wait has a bound.
type counter struct{ group sync.WaitGroup }

var sockets counter

func (c *counter) Wait(bound context.Context) {
	done := make(chan struct{})
	go func() { c.group.Wait(); close(done) }()
	select {
	case <-done:
	case <-bound.Done():
	}
}

func upgrade(w http.ResponseWriter, r *http.Request) (*websocket, error) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if r.Method != http.MethodGet || key == "" || r.Header.Get("Sec-WebSocket-Version") != "13" ||
		!strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return nil, errors.New("this is for WebSocket clients")
	}
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return nil, errors.New("this connection cannot be upgraded")
	}
	conn, buffered, err := hijacker.Hijack()
	if err != nil {
		return nil, err
	}
	sockets.group.Add(1)
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // section 1.3
	s := &websocket{conn: conn, reader: buffered.Reader}
	_ = conn.SetDeadline(time.Time{})
	_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
		base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	if err != nil {
		// The first read will fail the same way; the connection is no longer HTTP's to answer on.
		_ = conn.Close()
	}
	return s, nil
}

func (s *websocket) close() {
	_ = s.conn.Close()
	sockets.group.Done()
}

// read returns the next message, whole; control frames between its fragments are answered.
func (s *websocket) read() ([]byte, error) {
	var message []byte
	for {
		_ = s.conn.SetReadDeadline(time.Now().Add(readTimeout))
		op, final, payload, err := s.readFrame(maxMessage - len(message))
		if err != nil {
			return nil, err
		}
		switch op {
		case opText, opContinuation:
			if message = append(message, payload...); !final {
				continue
			}
			if !utf8.Valid(message) {
				return nil, errors.New("not UTF-8")
			}
			return message, nil
		case opPing:
			if err := s.write(opPong, payload); err != nil {
				return nil, err
			}
		case opPong:
		case opClose:
			_ = s.write(opClose, payload)
			return nil, io.EOF
		default:
			return nil, errors.New("unexpected kind of frame")
		}
	}
}

func (s *websocket) readFrame(limit int) (op byte, final bool, payload []byte, err error) {
	var head [2]byte
	if _, err = io.ReadFull(s.reader, head[:]); err != nil {
		return
	}
	op, final = head[0]&0x0f, head[0]&0x80 != 0
	if head[0]&0x70 != 0 || head[1]&0x80 == 0 {
		return op, final, nil, errors.New("reserved bits, or a client's frame without a mask")
	}
	length := uint64(head[1] & 0x7f)
	if length >= 126 {
		size := 2
		if length == 127 {
			size = 8
		}
		var extended [8]byte
		if _, err = io.ReadFull(s.reader, extended[8-size:]); err != nil {
			return
		}
		length = binary.BigEndian.Uint64(extended[:])
	}
	if length > uint64(limit) || op >= opClose && length > 125 {
		return op, final, nil, errors.New("message too long")
	}
	buffer := make([]byte, 4+length)
	if _, err = io.ReadFull(s.reader, buffer); err != nil {
		return
	}
	payload = buffer[4:]
	for i := range payload {
		payload[i] ^= buffer[i%4]
	}
	return op, final, payload, nil
}

func (s *websocket) write(op byte, payload []byte) error {
	frame := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(n))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := s.conn.Write(append(frame, payload...))
	return err
}

func (s *websocket) sayGoodbye(code uint16) {
	_ = s.write(opClose, binary.BigEndian.AppendUint16(nil, code))
}
