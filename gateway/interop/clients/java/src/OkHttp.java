import java.net.URI;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.WebSocket;
import okhttp3.WebSocketListener;
import okio.ByteString;

/**
 * What Android uses. It always offers permessage-deflate; it shows neither pings nor pongs, and sends no fragments. Its limit of 16 MiB
 * on what waits to be sent is far away here.
 */
final class OkHttp implements Client.Dialer {
    private final OkHttpClient client;

    OkHttp(Trust trust) {
        var builder = new OkHttpClient.Builder().readTimeout(0, TimeUnit.SECONDS);
        if (trust != null) {
            builder.sslSocketFactory(trust.context.getSocketFactory(), trust.manager);
        }
        client = builder.build();
    }

    @Override
    public Peer dial(URI uri) throws Exception {
        var connection = new Connection();
        connection.socket = client.newWebSocket(new Request.Builder().url(uri.toString()).build(), connection.listener);
        if (!(connection.inbox.take() instanceof Response answer)) {
            throw new IllegalStateException("cannot connect");
        }
        connection.extensions = answer.header("Sec-WebSocket-Extensions", "");
        return connection;
    }

    private static final class Connection extends Peer {
        private WebSocket socket;
        private String extensions;

        private final WebSocketListener listener = new WebSocketListener() {
            @Override
            public void onOpen(WebSocket socket, Response response) {
                inbox.add(response);
            }

            @Override
            public void onMessage(WebSocket socket, String text) {
                inbox.add(text);
            }

            @Override
            public void onMessage(WebSocket socket, ByteString bytes) {
                inbox.add(bytes.asByteBuffer());
            }

            @Override
            public void onClosing(WebSocket socket, int code, String reason) {
                inbox.add(new Closed(code, reason));
                socket.close(1000, null);
            }

            @Override
            public void onFailure(WebSocket socket, Throwable cause, Response response) {
                inbox.add(new Failed(cause));
            }
        };

        @Override
        String extensions() {
            return extensions;
        }

        @Override
        void send(String text) {
            socket.send(text);
        }

        @Override
        void send(ByteBuffer binary) {
            socket.send(ByteString.of(binary));
        }

        @Override
        void close(int code, String reason) {
            socket.close(code, reason);
        }
    }
}
