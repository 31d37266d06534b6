"""Options that the commands share which change the live database over."""

from django.core.management import CommandParser


def add_run_options(parser: CommandParser) -> None:
    """Add what says whether to ask, who asks, and what the one who started it follows it by."""
    parser.add_argument("--noinput", action="store_false", dest="interactive", help="do not ask")
    parser.add_argument("--by", default="", help="who asks, for the log")
    parser.add_argument("--identity", default="", help="what the one who started it follows it by")


def add_safety_option(parser: CommandParser) -> None:
    """Add the way on where the live database cannot be backed up."""
    parser.add_argument(
        "--no-safety-backup",
        action="store_false",
        dest="safety",
        help="go on where the live database cannot be backed up; it is kept all the same",
    )
