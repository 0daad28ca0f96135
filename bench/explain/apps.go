package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// done is what applications tell when all is well.
var done = [...]string{
	"user %d logged in", "order %d placed", "cache miss for key session:%x", "sent mail to customer %d", "query %d executed in 12ms", "rendered items/index.html for %d",
	"job %d finished", "payment %d authorised",
}

func told(r *rand.Rand) string { return fmt.Sprintf(done[r.IntN(len(done))], r.IntN(1_000_000)) }

// jsonLine is one object of an application, in the layouts of logging libraries: pino, zap, logstash's encoder, and one with
// objects inside. None is a proxy's.
func jsonLine(r *rand.Rand, i int, b []byte) []byte {
	at := time.UnixMilli(1773446400000 + int64(i)*7).UTC()
	stamp := at.Format("2006-01-02T15:04:05.000Z")
	switch i % 4 {
	case 0:
		return fmt.Appendf(b, "{\"level\":30,\"time\":%d,\"pid\":%d,\"hostname\":\"web-1\",\"reqId\":\"req-%x\",\"msg\":%q,\"ms\":%d}\n", at.UnixMilli(), r.IntN(9999), r.Uint32(), told(r), r.IntN(900))
	case 1:
		return fmt.Appendf(b, "{\"level\":\"info\",\"ts\":%d.%03d,\"caller\":\"shop/orders.go:%d\",\"msg\":%q,\"took\":%.3f}\n", at.Unix(), i%1000, r.IntN(500), told(r), r.Float64())
	case 2:
		return fmt.Appendf(b, "{\"@timestamp\":%q,\"@version\":\"1\",\"message\":%q,\"logger_name\":\"com.example.shop.OrderService\",\"thread_name\":\"http-nio-8080-exec-%d\",\"level\":\"INFO\",\"traceId\":\"%016x%016x\"}\n",
			stamp, told(r), r.IntN(20), r.Uint64(), r.Uint64())
	}
	return fmt.Appendf(b, "{\"level\": \"info\", \"ts\": %q, \"logger\": \"shop.orders\", \"msg\": %q, \"trace\": {\"id\": \"%016x%016x\"}, \"http\": {\"method\": \"GET\", \"path\": \"/items/%d\", \"status\": 200, \"ms\": %.2f}, \"tags\": [\"a\", \"prod\"]}\n",
		stamp, told(r), r.Uint64(), r.Uint64(), r.IntN(9999), r.Float64()*50)
}

// composeLine is what docker compose logs prints: nine lines in ten of applications in many layouts, and one of an nginx.
func composeLine(r *rand.Rand, i int, b []byte) []byte {
	if i%10 == 0 {
		return accessLine(r, i, append(b, "nginx-1   | "...))
	}
	b = append(b, [...]string{"web-1     | ", "worker-2  | ", "db-1      | "}[i%3]...)
	at := time.UnixMilli(1773446400000 + int64(i)*7).UTC()
	switch i % 9 {
	case 0:
		return fmt.Appendf(b, "%s INFO [shop.orders] %s\n", at.Format("2006-01-02T15:04:05.000Z"), told(r))
	case 1:
		return fmt.Appendf(b, "%s - shop.orders - INFO - %s\n", at.Format("2006-01-02 15:04:05,000"), told(r))
	case 2:
		return fmt.Appendf(b, "time=%q level=info msg=%q component=orders\n", at.Format(time.RFC3339), told(r))
	case 3:
		return jsonLine(r, i, b)
	case 4:
		return fmt.Appendf(b, "I0314 %s       1 controller.go:%d] %s\n", at.Format("15:04:05.000000"), r.IntN(999), told(r))
	case 5:
		return fmt.Appendf(b, "%s  INFO 1 --- [nio-8080-exec-%d] c.e.shop.OrderController : %s\n", at.Format("2006-01-02 15:04:05.000"), r.IntN(9), told(r))
	case 6:
		return fmt.Appendf(b, "I, [%s #%d]  INFO -- : [%x] %s\n", at.Format("2006-01-02T15:04:05.000000"), r.IntN(999), r.Uint64(), told(r))
	case 7:
		return fmt.Appendf(b, "%s UTC [%d] LOG:  checkpoint complete: wrote %d buffers\n", at.Format("2006-01-02 15:04:05.000"), r.IntN(99), r.IntN(9999))
	}
	return fmt.Appendf(b, "[%s] INFO (%d): GET /items/%d 200 in %dms\n", at.Format("15:04:05.000"), r.IntN(999), r.IntN(9999), r.IntN(80))
}
