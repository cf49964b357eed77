//go:build browser

package browser

import (
	"fmt"
	"testing"

	"sluice/gateway/interop/chromiumtest"
)

// What a visitor can see. A message row holds its sender, an aside and a text.
const (
	connected = `document.querySelector('#state').dataset.state === 'open'`
	rows      = `[...document.querySelectorAll('#feed li')]`
	count     = `Number(document.querySelector('#connections output').value.replace(/\D/g, ''))`
	rate      = `Number(document.querySelector('#deliveries output').value.replace(/\D/g, ''))`
	// Layout shifts since the page was opened, as Chromium scores them.
	shifts = `new Promise((done) => {
		let sum = 0;
		new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) sum += e.value; })
			.observe({ type: 'layout-shift', buffered: true });
		setTimeout(() => done(sum), 100);
	})`
)

func phone() view   { return view{360, 740, "light"} }
func desktop() view { return view{1280, 800, "dark"} }

// shows is the condition that a row has this sender and this text.
func shows(who, text string) string {
	return fmt.Sprintf(`%s.some((li) => li.querySelector('.who bdi').textContent === %q && li.querySelector('.said').textContent === %q)`, rows, who, text)
}

// TestTwoVisitors: what a visitor with two tabs does first, from one channel to
// a run that makes the picture move.
func TestTwoVisitors(t *testing.T) {
	n := serve(t, build(t), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	browser := chromiumtest.Launch(t)
	small := open(t, browser, n.listen, "", phone())
	large := open(t, browser, n.listen, "", desktop())
	for _, b := range []*tab{small, large} {
		b.front()
		b.until(connected)
		b.until(count + ` === 4`) // lobby and the statistics, twice
	}

	small.fill("#name", "Otter", false)
	small.fill("#text", "Is the gate open?", true)
	small.until(shows("Otter", "Is the gate open?"))
	small.until(rows + `.some((li) => li.classList.contains('mine') && /back in/.test(li.textContent))`)
	large.front()
	large.until(shows("Otter", "Is the gate open?"))
	large.fill("#name", "Heron", false)
	markup := `<img src=x onerror=alert(1)> & <b>yes</b>`
	large.fill("#text", markup, true)
	small.front()
	small.until(shows("Heron", markup))
	if got := small.text(`document.querySelectorAll('#feed img, #feed b').length`); got != "0" {
		t.Errorf("a message became %s elements", got)
	}

	n.publish(t, `{"channel":"lobby","text":"hello from curl"}`)
	n.publish(t, `{"channel":"lobby","data":{"price":101.5}}`)
	n.publish(t, `{"channel":"lobby","b64data":"AAH/"}`)
	n.publish(t, `{"channel":"lobby","text":""}`)
	small.until(shows("plain text", "hello from curl"))
	small.until(shows("JSON", `{"price":101.5}`))
	small.until(shows("binary, 3 B", "00 01 ff"))
	small.until(shows("text", "(empty message)"))

	small.fill("#channel", "news", true)
	small.until(connected + ` && document.querySelector('#to').textContent === 'to #news'`)
	small.until(count + ` === 5`)
	n.publish(t, `{"channel":"news","text":"first"}`)
	small.until(shows("plain text", "first"))
	small.click(".chip:nth-child(1) .pick")
	small.until(shows("Heron", markup) + ` && !(` + shows("plain text", "first") + `)`)
	n.publish(t, `{"channel":"news","text":"second"}`)
	small.until(`document.querySelectorAll('.chip b')[1].textContent === '1' && document.title === '(1) Sluice'`)
	if got := small.text("location.search"); got != "?channel=lobby&channel=news" {
		t.Errorf("the address names %s, want the joined channels", got)
	}
	small.shoot("phone-light.png")

	large.click("#busy-go")
	large.until(count + ` > 100 && ` + rate + ` > 1000`)
	large.shoot("desktop-dark.png")
	large.until(`/every one arrived/.test(document.querySelector('#busy-note').textContent)`)
	large.until(count + ` === 5`)

	small.front()
	small.click(".chip:nth-child(2) .leave")
	small.until(count + ` === 4`)
	for _, b := range []*tab{small, large} {
		b.front()
		if got := b.number(shifts); got > 0.02 {
			t.Errorf("the layout jumped by %v", got)
		}
		if got := b.number(`document.documentElement.scrollWidth - innerWidth`); got > 0 {
			t.Errorf("the page is %v px wider than its window", got)
		}
		b.calm()
	}
}

// TestNodeComesBack: the page says that the node is gone, keeps what is being
// written, and joins again by itself.
func TestNodeComesBack(t *testing.T) {
	binary := build(t)
	n := serve(t, binary, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	b := open(t, chromiumtest.Launch(t), n.listen, "?channel=river", phone())
	b.until(connected)
	n.stop(t)
	b.until(`/retrying/.test(document.querySelector('#state').textContent)`)
	b.fill("#text", "kept", true)
	if got := b.text(`document.querySelector('#text').value`); got != "kept" {
		t.Errorf("the text box holds %q, want what was written", got)
	}
	again := serve(t, binary, "--listen", n.listen, "--admin", "127.0.0.1:0")
	b.until(connected)
	again.publish(t, `{"channel":"river","text":"welcome back"}`)
	b.until(shows("plain text", "welcome back"))
}

// TestStatisticsRefused: without the node's own numbers the picture shows the
// tab's, and says so.
func TestStatisticsRefused(t *testing.T) {
	n := serve(t, build(t), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--set", "listeners.0.endpoints.0.stats=false")
	b := open(t, chromiumtest.Launch(t), n.listen, "", desktop())
	b.until(connected)
	b.until(`document.querySelector('#connections figcaption').textContent === 'Sockets of this tab'`)
	b.until(count + ` === 1`)
	b.until(`/this tab only/.test(document.querySelector('#source').textContent)`)
}
