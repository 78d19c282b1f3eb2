package ottla.driver;

/** What lives on under its id after the command that made it was answered. */
interface Actor {
    void start();

    /** Hands over a later command to the same id. */
    void tell(Command command);

    /** Asks it to end; see {@link #awaitEnd}. */
    void leave();

    boolean hasEnded();

    void awaitEnd();
}
