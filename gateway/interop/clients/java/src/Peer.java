import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;

/** One connection. What comes is queued by the library's thread and taken by ours. */
abstract class Peer {
    /** Text is a String, binary a ByteBuffer; the others are these records. */
    record Pong(String payload) {}

    record Closed(int code, String reason) {}

    record Failed(Throwable cause) {}

    final BlockingQueue<Object> inbox = new LinkedBlockingQueue<>();

    /** Pings that came; the library answers them. */
    final AtomicInteger pings = new AtomicInteger();

    /** The answer's Sec-WebSocket-Extensions, or null where the library does not show it. */
    abstract String extensions();

    abstract void send(String text) throws Exception;

    abstract void send(ByteBuffer binary) throws Exception;

    abstract void close(int code, String reason) throws Exception;

    /** Whether the library can do what follows. */
    boolean isOpenhanded() {
        return false;
    }

    void fragments(List<String> parts) throws Exception {
        throw new UnsupportedOperationException();
    }

    void ping(String payload) throws Exception {
        throw new UnsupportedOperationException();
    }
}
