import java.net.URI;
import java.nio.file.Path;

/** OkHttp and the JDK's client; see ../../README.md. CLIENT is okhttp or jdk. */
public final class Client {
    public static void main(String[] args) throws Exception {
        var trust = args[1].startsWith("wss:") ? new Trust(Path.of(args[2])) : null;
        Dialer dialer = args[0].equals("okhttp") ? new OkHttp(trust) : new Jdk(trust);
        // Both have threads that would keep the process alive.
        System.exit(new Steps(dialer, args[1]).run() ? 0 : 1);
    }

    /** What makes connections. */
    interface Dialer {
        Peer dial(URI uri) throws Exception;
    }
}
