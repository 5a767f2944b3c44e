"""The tasks that are only declared. World frame: x away from who acts, y to the left, the table's top at z = 0.

Every task has its usual wording first and one that is held back from demonstrations last.
"""

from math import pi

from mivla_ros.tabletop.acts import Act, How
from mivla_ros.tabletop.table_task import Region, TableTask, Upon
from mivla_ros.tabletop.things import PAD_THICKNESS, WALL, Shape, Thing

ANY = (-pi / 4, pi / 4)
STRAIGHT = (-0.2, 0.2)
NEAR, FAR = (0.22, 0.34), (0.34, 0.41)  # m ahead
WIDE, MIDDLE, LEFT, RIGHT = (-0.18, 0.18), (-0.08, 0.08), (0.06, 0.18), (-0.18, -0.06)
DRAWER_OUT = 0.08  # m


def _block(name: str, colour: str, edge: float = 0.04) -> Thing:
    return Thing(name, Shape.BLOCK, (edge, edge, edge), colour, "block", 0.04)


def _pad(name: str, colour: str, size: float = 0.10, noun: str = "pad") -> Thing:
    return Thing(name, Shape.PAD, (size, size, PAD_THICKNESS), colour, noun, fixed=True)


def _mark(colour: str, size: float) -> Thing:
    return Thing("mark", Shape.MARK, (size, size, 0.001), colour, "mark", fixed=True)


def _tray(size: tuple[float, float, float], colour: str, noun: str, fixed: bool = True) -> Thing:
    return Thing("tray", Shape.TRAY, size, colour, noun, 0.15, fixed)


def _on(thing: str, to: str, height: float, tolerance: float = 0.03, hand: str = "") -> Act:
    return Act(thing, to, (0.0, 0.0, height), tolerance=tolerance, hand=hand)


BLOCK_IN_BOX = TableTask(
    "block_in_box",
    (_tray((0.14, 0.14, 0.05), "brown", "box"), _block("block", "red")),
    {"tray": Region(FAR, WIDE, STRAIGHT), "block": Region(NEAR, WIDE, ANY)},
    (_on("block", "tray", WALL, 0.045),),
    (
        "Put the {block} into the box.",
        "Pick up the {block} and place it in the {tray}.",
        "Drop the block in the box.",
        "The {block} belongs into the {tray}.",
    ),
)

STACK_BLOCKS = TableTask(
    "stack_blocks",
    (_block("bottom", "blue", 0.05), _block("middle", "yellow", 0.042), _block("top", "red", 0.036)),
    {
        "bottom": Region((0.28, 0.36), MIDDLE, STRAIGHT), "middle": Region(NEAR, LEFT, ANY),
        "top": Region(NEAR, RIGHT, ANY),
    },
    (_on("middle", "bottom", 0.05, 0.018), _on("top", "middle", 0.042, 0.018)),
    (
        "Stack the blocks.",
        "Put the {middle} on the {bottom}, then the {top} on top.",
        "Build a tower of the three blocks, the biggest at the bottom.",
        "Make a pile: {bottom}, {middle}, {top}.",
    ),
)  # fmt: skip

SORT_BY_COLOUR = TableTask(
    "sort_by_colour",
    (_pad("first_pad", "red"), _pad("second_pad", "blue"), _block("first", "red"), _block("second", "blue")),
    {
        "first_pad": Region(FAR, (0.07, 0.16), STRAIGHT), "second_pad": Region(FAR, (-0.16, -0.07), STRAIGHT),
        "first": Region((0.22, 0.29), WIDE, ANY), "second": Region((0.22, 0.29), WIDE, ANY),
    },
    (_on("first", "first_pad", PAD_THICKNESS), _on("second", "second_pad", PAD_THICKNESS)),
    (
        "Sort the blocks by colour.",
        "Put each block on the pad of its colour.",
        "Place the {first} on the {first_pad} and the {second} on the {second_pad}.",
        "Match the blocks with the pads.",
    ),
    gap=0.025,
    kept=(("first_pad", "first"), ("second_pad", "second")),
)  # fmt: skip

LINE_UP = TableTask(
    "line_up",
    (_block("centre", "green"), _block("one", "orange"), _block("other", "white")),
    {
        "centre": Region((0.30, 0.36), MIDDLE, (-0.1, 0.1)), "one": Region((0.22, 0.27), LEFT, ANY),
        "other": Region((0.22, 0.27), RIGHT, ANY),
    },
    (
        Act("one", "centre", (0.0, 0.075, 0.0), turn=0.0, period=pi / 2, tolerance=0.018, turn_tolerance=0.2),
        Act("other", "centre", (0.0, -0.075, 0.0), turn=0.0, period=pi / 2, tolerance=0.018, turn_tolerance=0.2),
    ),
    (
        "Line up the blocks.",
        "Put the {one} and the {other} in a row with the {centre}.",
        "Place a block on each side of the {centre}, straight beside it.",
        "Make a row of the blocks.",
    ),
)  # fmt: skip

PUSH_TO_MARK = TableTask(
    "push_to_mark",
    (_mark("yellow", 0.13), Thing("crate", Shape.CRATE, (0.075, 0.075, 0.06), "grey", "crate", 0.12)),
    {"mark": Region((0.38, 0.42), MIDDLE, STRAIGHT), "crate": Region((0.25, 0.28), MIDDLE, (-0.1, 0.1))},
    (Act("crate", "mark", how=How.PUSH, tolerance=0.03),),
    (
        "Push the {crate} onto the mark.",
        "Slide the crate to the {mark}.",
        "Without lifting it, move the {crate} onto the {mark}.",
        "Shove the crate forward until it is on the mark.",
    ),
    gap=-0.03,
)

OPEN_DRAWER = TableTask(
    "open_drawer",
    (
        Thing("cabinet", Shape.CABINET, (0.15, 0.134, 0.064), "brown", "cabinet", fixed=True),
        Thing("drawer", Shape.DRAWER, (0.14, 0.12, 0.05), "white", "drawer", 0.15),
    ),
    {"cabinet": Region((0.38, 0.42), (-0.10, 0.10), STRAIGHT), "drawer": Upon("cabinet", (-0.008, 0.0, 0.0))},
    (Act("drawer", "cabinet", (-0.008 - DRAWER_OUT, 0.0, 0.0), How.PULL, tolerance=0.025),),
    (
        "Open the drawer.",
        "Pull the {drawer} out of the {cabinet}.",
        "Take the knob and pull the drawer open.",
        "Slide the drawer out.",
    ),
)

TAKE_OFF_LID = TableTask(
    "take_off_lid",
    (
        Thing("pot", Shape.TRAY, (0.11, 0.11, 0.055), "grey", "pot", fixed=True), _pad("pad", "green", 0.13),
        Thing("lid", Shape.LID, (0.116, 0.116, 0.008), "blue", "lid", 0.05),
    ),
    {
        "pot": Region((0.25, 0.31), (0.05, 0.12), ANY), "pad": Region((0.22, 0.31), (-0.13, -0.06), STRAIGHT),
        "lid": Upon("pot", (0.0, 0.0, 0.055)),
    },
    (_on("lid", "pad", PAD_THICKNESS, 0.035),),
    (
        "Take the lid off the pot.",
        "Lift the {lid} and lay it on the {pad}.",
        "Open the {pot} and put its lid on the pad.",
        "Uncover the pot.",
    ),
)  # fmt: skip

POUR_CUP = TableTask(
    "pour_cup",
    (
        Thing("bowl", Shape.TRAY, (0.11, 0.11, 0.04), "white", "bowl", fixed=True),
        _pad("saucer", "orange", 0.12, "saucer"), Thing("cup", Shape.CUP, (0.06, 0.06, 0.08), "blue", "cup", 0.10),
    ),
    {
        "bowl": Region((0.33, 0.37), (-0.06, 0.06), STRAIGHT), "saucer": Region((0.22, 0.29), (-0.17, -0.11), STRAIGHT),
        "cup": Region((0.23, 0.30), (0.10, 0.15), ANY),
    },
    (Act("cup", "saucer", (0.0, 0.0, PAD_THICKNESS), pour_over="bowl", tolerance=0.035),),
    (
        "Pour the cup into the bowl.",
        "Empty the {cup} over the {bowl} and set it down on the {saucer}.",
        "Pour out the cup, then put it on the saucer.",
        "Tip what is in the cup into the bowl.",
    ),
)  # fmt: skip

TURN_BAR = TableTask(
    "turn_bar",
    (_pad("mark", "white", 0.13, "mark"), Thing("bar", Shape.STICK, (0.11, 0.028, 0.03), "red", "bar", 0.05)),
    {"mark": Region((0.28, 0.36), (-0.12, 0.12), STRAIGHT), "bar": Upon("mark", (0.0, 0.0, PAD_THICKNESS))},
    (Act("bar", "mark", (0.0, 0.0, PAD_THICKNESS), turn=pi / 2, period=pi, tolerance=0.03, turn_tolerance=0.3),),
    (
        "Turn the bar by a quarter.",
        "Rotate the {bar} by ninety degrees on the {mark}.",
        "Turn the {bar} crosswise.",
        "Twist the bar a quarter turn.",
    ),
)

CLEAR_TABLE = TableTask(
    "clear_table",
    (
        _tray((0.20, 0.20, 0.04), "white", "tray"), Thing("can", Shape.CAN, (0.05, 0.05, 0.07), "green", "can", 0.08),
        Thing("fruit", Shape.BALL, (0.05, 0.05, 0.05), "orange", "fruit", 0.06), _block("block", "blue"),
    ),
    {
        "tray": Region((0.34, 0.37), (-0.06, 0.06), STRAIGHT), "can": Region((0.20, 0.30), (0.15, 0.20), ANY),
        "fruit": Region((0.20, 0.30), (-0.20, -0.15), ANY), "block": Region((0.18, 0.20), MIDDLE, ANY),
    },
    (
        Act("can", "tray", (0.04, 0.05, WALL), tolerance=0.04),
        Act("fruit", "tray", (0.04, -0.05, WALL), tolerance=0.04),
        Act("block", "tray", (-0.045, 0.0, WALL), tolerance=0.04),
    ),
    (
        "Clear the table.",
        "Put the {can}, the {fruit} and the {block} into the tray.",
        "Gather everything in the {tray}.",
        "Tidy up: all things into the tray.",
    ),
    gap=0.012,
)  # fmt: skip

CUP_ON_SAUCER = TableTask(
    "cup_on_saucer",
    (_pad("saucer", "white", 0.12, "saucer"), Thing("cup", Shape.CUP, (0.06, 0.06, 0.08), "green", "cup", 0.10)),
    {"saucer": Region((0.24, 0.40), WIDE, STRAIGHT), "cup": Region((0.24, 0.38), WIDE, ANY)},
    (_on("cup", "saucer", PAD_THICKNESS),),
    (
        "Put the cup on the saucer.",
        "Place the {cup} on the {saucer}.",
        "Set the cup down on its saucer.",
        "The cup goes where the saucer is.",
    ),
    gap=0.05,
)

HAND_OVER = TableTask(
    "hand_over",
    (_pad("pad", "green", 0.16), Thing("stick", Shape.STICK, (0.22, 0.026, 0.03), "yellow", "stick", 0.06)),
    {
        "pad": Region((0.26, 0.34), (-0.26, -0.16), STRAIGHT),
        "stick": Region((0.26, 0.33), (0.14, 0.22), (pi / 2 - 0.3, pi / 2 + 0.3)),
    },
    (Act("stick", "pad", (0.0, 0.0, PAD_THICKNESS), tolerance=0.05, hand="left", give_to="right"),),
    (
        "Hand over the stick and put it on the pad.",
        "Pass the {stick} from the left hand to the right one and lay it on the {pad}.",
        "Give the stick to the other hand, which puts it on the pad.",
        "Take the stick with the left, place it with the right.",
    ),
    hands=2,
)  # fmt: skip

CARRY_TRAY = TableTask(
    "carry_tray",
    (_mark("blue", 0.17), _tray((0.16, 0.22, 0.045), "brown", "tray", fixed=False)),
    {"mark": Region((0.41, 0.43), (-0.04, 0.04), STRAIGHT), "tray": Region((0.20, 0.22), (-0.04, 0.04), STRAIGHT)},
    (Act("tray", "mark", turn=0.0, tolerance=0.04, turn_tolerance=0.3, two_hands=True),),
    (
        "Carry the tray to the mark.",
        "Lift the {tray} with both hands and set it down on the {mark}.",
        "Move the tray onto the mark with two hands.",
        "With both hands, bring the tray forward to the mark.",
    ),
    gap=-0.07,  # circles around two oblong things that stand one behind the other
    hands=2,
)

DECLARED: dict[str, TableTask] = {
    task.name: task
    for task in (
        BLOCK_IN_BOX, STACK_BLOCKS, SORT_BY_COLOUR, LINE_UP, PUSH_TO_MARK, OPEN_DRAWER, TAKE_OFF_LID, POUR_CUP,
        TURN_BAR, CLEAR_TABLE, CUP_ON_SAUCER, HAND_OVER, CARRY_TRAY,
    )
}  # fmt: skip
