package ottla.driver;

import java.time.Duration;
import java.util.Map;

/** An actor that does one thing again and again on a thread of its own, until it is closed. */
abstract class Loop implements Actor, Runnable {
    static final Duration POLL = Duration.ofMillis(100);
    private static final long END_MS = 20_000;

    final Command beginning;
    private final Events events;
    private final Thread thread;
    private boolean leaving;
    private boolean ended;
    private Command closing;

    Loop(Command beginning, Events events) {
        this.beginning = beginning;
        this.events = events;
        this.thread = new Thread(this, beginning.name() + " " + beginning.id());
    }

    /** Answers the first command and works until {@link #isLeaving}. */
    abstract void work() throws Exception;

    @Override
    public void start() {
        thread.start();
    }

    @Override
    public void tell(Command command) {
        if (!command.name().equals("close")) {
            command.failed(Failure.UNSUPPORTED, "a " + beginning.name() + " knows no command " + command.name());
            return;
        }
        synchronized (this) {
            leaving = true;
            notifyAll();
            if (!ended) {
                closing = command;
                return;
            }
        }
        command.done();
    }

    @Override
    public synchronized void leave() {
        leaving = true;
        notifyAll();
    }

    @Override
    public synchronized boolean hasEnded() {
        return ended;
    }

    synchronized boolean isLeaving() {
        return leaving;
    }

    @Override
    public void awaitEnd() {
        try {
            thread.join(END_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void run() {
        try {
            work();
        } catch (Exception e) {
            report(beginning.name(), e);
        }
        send("ended");
        Command last;
        synchronized (this) {
            ended = true;
            last = closing;
        }
        if (last != null) {
            last.done();
        }
    }

    /** Waits, or until it is asked to leave. */
    synchronized void pause(long ms) {
        try {
            if (!leaving) {
                wait(ms);
            }
        } catch (InterruptedException e) {
            leaving = true;
        }
    }

    void send(String event, Object... fields) {
        Map<String, Object> whole = Events.event(event, "id", beginning.id());
        Events.put(whole, fields);
        events.send(whole);
    }

    void report(String during, Throwable failure) {
        send("error", "error", Failure.name(failure), "message", Failure.message(failure), "during", during);
    }
}
