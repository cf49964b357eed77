import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The steps, in their order. */
final class Steps {
    private static final int MEBI = 1 << 20;
    private static final long SILENCE = 13_000_000_000L; // ns

    private final Client.Dialer dialer;
    private final String url;
    private Peer main;
    private Peer silent;
    private long since;

    Steps(Client.Dialer dialer, String url) {
        this.dialer = dialer;
        this.url = url;
    }

    /** A step returns the detail, or null when the library cannot do it. */
    private interface Step {
        String run() throws Exception;
    }

    boolean run() {
        return step("open", this::open)
            && step("text", this::text)
            && step("binary", this::binary)
            && step("empty", this::empty)
            && step("large", this::large)
            && step("fragments", this::fragments)
            && step("ping", this::ping)
            && step("order", this::order)
            && step("publish", this::publish)
            && step("close", () -> close(main, 1000, "bye"))
            && step("close_own", () -> close(connect("own"), 4123, "done"))
            && step("disconnect", () -> ends("kick", "disconnect", 4001, "signed out"))
            && step("silent", this::silent)
            && step("pinged", this::pinged)
            && step("drain", () -> ends("drain", "drain", 1001, null));
    }

    private static boolean step(String name, Step step) {
        try {
            var detail = step.run();
            if (detail != null) {
                say("{\"step\":\"%s\",\"ok\":true,\"detail\":\"%s\"}", name, detail);
            }
            return true;
        } catch (Exception e) {
            say("{\"step\":\"%s\",\"ok\":false,\"detail\":\"%s\"}", name, e.toString().replaceAll("[^ -~]|[\"\\\\]", "?"));
            return false;
        }
    }

    private static void say(String format, Object... arguments) {
        System.out.printf(format + "%n", arguments);
        System.out.flush();
    }

    private Peer connect(String channel) throws Exception {
        return dialer.dial(URI.create(url + "?channel=" + channel));
    }

    private static String expect(Peer peer, Object want) throws Exception {
        var got = peer.inbox.take();
        if (!got.equals(want)) {
            var text = got.toString();
            throw new IllegalStateException("got " + text.substring(0, Math.min(60, text.length())));
        }
        return "";
    }

    private static String echo(Peer peer, String text) throws Exception {
        peer.send(text);
        return expect(peer, text);
    }

    private static String echo(Peer peer, byte[] binary) throws Exception {
        peer.send(ByteBuffer.wrap(binary));
        return expect(peer, ByteBuffer.wrap(binary));
    }

    private static String ended(Peer peer, int code, String reason) throws Exception {
        if (!(peer.inbox.take() instanceof Peer.Closed closed)) {
            throw new IllegalStateException("something came where the close was due");
        }
        if (closed.code() != code || (reason != null && !closed.reason().equals(reason))) {
            throw new IllegalStateException("got " + closed);
        }
        return (closed.code() + " " + closed.reason()).trim();
    }

    private static int filler(int i) {
        return i * 7 + (i >> 8) * 13;
    }

    private static String numbered(int i, String letter) {
        return i + " " + letter.repeat(i % 300);
    }

    private String open() throws Exception {
        main = connect("main");
        return main.extensions() == null ? "" : main.extensions();
    }

    private String text() throws Exception {
        silent = connect("silent");
        since = System.nanoTime();
        return echo(main, "Grüße, 世界 🌊");
    }

    private String binary() throws Exception {
        var all = new byte[256];
        for (int i = 0; i < all.length; i++) {
            all[i] = (byte) i;
        }
        return echo(main, all);
    }

    private String empty() throws Exception {
        echo(main, "");
        return echo(main, new byte[0]);
    }

    private String large() throws Exception {
        var text = new byte[MEBI];
        var binary = new byte[MEBI];
        for (int i = 0; i < MEBI; i++) {
            text[i] = (byte) ('a' + filler(i) % 26);
            binary[i] = (byte) filler(i);
        }
        echo(main, new String(text, StandardCharsets.US_ASCII));
        return echo(main, binary);
    }

    private String fragments() throws Exception {
        if (!main.isOpenhanded()) {
            return null;
        }
        main.fragments(List.of("frag", "", "ments", " 🌊"));
        return expect(main, "fragments 🌊");
    }

    private String ping() throws Exception {
        if (!main.isOpenhanded()) {
            return null;
        }
        main.ping("sluice");
        return expect(main, new Peer.Pong("sluice"));
    }

    private String order() throws Exception {
        for (int i = 0; i < 1000; i++) {
            main.send(numbered(i, "x"));
        }
        for (int i = 0; i < 1000; i++) {
            expect(main, numbered(i, "x"));
        }
        return "";
    }

    private String publish() throws Exception {
        say("{\"ask\":\"publish\"}");
        for (int i = 0; i < 1000; i++) {
            var text = numbered(i, "y");
            expect(main, i % 2 == 0 ? text : StandardCharsets.US_ASCII.encode(text));
        }
        return "";
    }

    private static String close(Peer peer, int code, String reason) throws Exception {
        peer.close(code, reason);
        return ended(peer, code, null);
    }

    private String ends(String channel, String ask, int code, String reason) throws Exception {
        var peer = connect(channel);
        say("{\"ask\":\"%s\"}", ask);
        return ended(peer, code, reason);
    }

    private String silent() throws Exception {
        Thread.sleep(Math.max(0, (SILENCE - (System.nanoTime() - since)) / 1_000_000));
        echo(silent, "awake");
        return close(silent, 1000, "");
    }

    private String pinged() {
        if (!silent.isOpenhanded()) {
            return null;
        }
        if (silent.pings.get() == 0) {
            throw new IllegalStateException("no ping came");
        }
        return String.valueOf(silent.pings.get());
    }
}
