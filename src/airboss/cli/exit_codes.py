"""The exit codes of every command, in one table: `docs/reference/cli.md` is written from it."""

from enum import IntEnum

from airboss.domain.states import JobState


class ExitCode(IntEnum):
    """What a script reads of a command."""

    DONE = 0
    FAILURE = 1
    USAGE = 2
    JOB_FAILED = 3
    JOB_CANCELLED = 4
    JOB_TIMED_OUT = 5
    UNREACHABLE = 6
    REFUSED = 7
    INTERRUPTED = 130
    BROKEN_PIPE = 141


MEANINGS = {
    ExitCode.DONE: "Done. Where the command waited for a job: it completed. `serve`: it drained.",
    ExitCode.FAILURE: "A failure of the command itself, such as a port that is taken, a full disk, or models that the provider does not tell.",
    ExitCode.USAGE: "Wrong usage or wrong settings.",
    ExitCode.JOB_FAILED: "The job that was waited for ended `failed`.",
    ExitCode.JOB_CANCELLED: "The job that was waited for ended `cancelled`.",
    ExitCode.JOB_TIMED_OUT: "The job that was waited for ended `timed_out`.",
    ExitCode.UNREACHABLE: "No Airboss answered: nothing listens there, it went away for good, or it is something else. A job that was followed stays on the disk of its server.",
    ExitCode.REFUSED: "The server refused: any error of the HTTP API, such as `job_not_found` or `queue_full`.",
    ExitCode.INTERRUPTED: "Ctrl-C. A job that was watched goes on.",
    ExitCode.BROKEN_PIPE: "Whoever read the output went away, as behind `| head`.",
}

OF_END = {
    JobState.COMPLETED: ExitCode.DONE,
    JobState.FAILED: ExitCode.JOB_FAILED,
    JobState.CANCELLED: ExitCode.JOB_CANCELLED,
    JobState.TIMED_OUT: ExitCode.JOB_TIMED_OUT,
}
