import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CompletionStage;

/** java.net.http. It knows no compression, and does not show the answer's headers. */
final class Jdk implements Client.Dialer {
    private final HttpClient client;

    Jdk(Trust trust) {
        var builder = HttpClient.newBuilder();
        client = (trust == null ? builder : builder.sslContext(trust.context)).build();
    }

    @Override
    public Peer dial(URI uri) throws Exception {
        var connection = new Connection();
        connection.socket = client.newWebSocketBuilder().buildAsync(uri, connection.listener).get();
        return connection;
    }

    private static final class Connection extends Peer {
        private WebSocket socket;

        private final WebSocket.Listener listener = new WebSocket.Listener() {
            private final StringBuilder text = new StringBuilder();
            private final ByteArrayOutputStream binary = new ByteArrayOutputStream();

            @Override
            public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
                text.append(part);
                if (last) {
                    inbox.add(text.toString());
                    text.setLength(0);
                }
                socket.request(1);
                return null;
            }

            @Override
            public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer part, boolean last) {
                while (part.hasRemaining()) {
                    binary.write(part.get());
                }
                if (last) {
                    inbox.add(ByteBuffer.wrap(binary.toByteArray()));
                    binary.reset();
                }
                socket.request(1);
                return null;
            }

            @Override
            public CompletionStage<?> onPing(WebSocket socket, ByteBuffer payload) {
                pings.incrementAndGet();
                socket.request(1);
                return null;
            }

            @Override
            public CompletionStage<?> onPong(WebSocket socket, ByteBuffer payload) {
                inbox.add(new Pong(StandardCharsets.UTF_8.decode(payload).toString()));
                socket.request(1);
                return null;
            }

            @Override
            public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
                inbox.add(new Closed(code, reason));
                return null;
            }

            @Override
            public void onError(WebSocket socket, Throwable cause) {
                inbox.add(new Failed(cause));
            }
        };

        @Override
        String extensions() {
            return null;
        }

        @Override
        void send(String text) throws Exception {
            socket.sendText(text, true).get();
        }

        @Override
        void send(ByteBuffer binary) throws Exception {
            socket.sendBinary(binary, true).get();
        }

        @Override
        void close(int code, String reason) throws Exception {
            socket.sendClose(code, reason).get();
        }

        @Override
        boolean isOpenhanded() {
            return true;
        }

        @Override
        void fragments(List<String> parts) throws Exception {
            for (int i = 0; i < parts.size(); i++) {
                socket.sendText(parts.get(i), i == parts.size() - 1).get();
            }
        }

        @Override
        void ping(String payload) throws Exception {
            socket.sendPing(StandardCharsets.UTF_8.encode(payload)).get();
        }
    }
}
