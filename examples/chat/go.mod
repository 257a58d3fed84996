module loco.dev/examples/chat

go 1.19
