"""Every fault of an IDX data set that has a name: its code, how bad it is, what it means.

The codes are stable: scripts may rely on them. A number that falls out of use is not given again.
docs/validation.md lists them; a test holds it to this file.
"""

import enum

ERROR = "error"
WARNING = "warning"


class Code(enum.Enum):
    """One kind of fault."""

    # One file: its bytes against the format.
    MISSING = ("IDX001", ERROR, "There is no such file")
    NOT_IDX = ("IDX002", ERROR, "The first two bytes are not 00 00")
    OTHER_CONTENT = ("IDX003", ERROR, "Something else is saved under this name, such as HTML")
    EMPTY_FILE = ("IDX004", ERROR, "The file has no bytes")
    HEADER_CUT = ("IDX005", ERROR, "The file ends within its header")
    TYPE_CODE = ("IDX006", ERROR, "The type code is none of the six of the format")
    NO_RANK = ("IDX007", ERROR, "The header says that there are no dimensions")
    NO_RECORDS = ("IDX008", ERROR, "The header says that there are no records")
    NO_PIXELS = ("IDX009", ERROR, "A dimension of one record is zero")
    ABSURD = ("IDX010", ERROR, "One record would be larger than 256 MiB")
    CUT_SHORT = ("IDX011", ERROR, "The file is shorter than its header says")
    GOES_ON = ("IDX012", ERROR, "The file goes on after its last record")
    # One file: gzip.
    GZIP_CUT = ("IDX020", ERROR, "The gzip data ends early, as after an interrupted download")
    GZIP_DAMAGED = ("IDX021", ERROR, "The gzip data is damaged or does not fit its checksum")
    GZIP_TRAILING = ("IDX022", ERROR, "The gzip data is followed by something else")
    GZIP_BOMB = ("IDX023", ERROR, "The gzip data unpacks to much more than the header says")
    GZIP_MEMBERS = ("IDX024", WARNING, "The gzip file has several members; some readers stop early")
    # One file: what it is given as.
    LABELS_AS_IMAGES = ("IDX030", ERROR, "A labels file is given as images")
    IMAGES_AS_LABELS = ("IDX031", ERROR, "An images file is given as labels")
    IMAGES_RANK = ("IDX032", ERROR, "Images have neither 3 nor 4 dimensions")
    LABELS_RANK = ("IDX033", ERROR, "Labels have neither 1 nor 2 dimensions")
    LABELS_TYPE = ("IDX034", ERROR, "Labels are not integers")
    LABEL_COLUMN = ("IDX035", ERROR, "Label records have no column of that number")
    IMAGE_SHAPE = ("IDX036", ERROR, "Images are not of the shape that was asked for")
    LABEL_RANGE = ("IDX037", ERROR, "Labels are negative, or not below the number of classes")
    ONE_HOT = ("IDX038", ERROR, "Labels are one-hot rows, and were not said to be, or the reverse")
    CHANNELS_FIRST = ("IDX039", ERROR, "Images are stored channels first, and not said to be")
    # Files against each other.
    COUNTS = ("IDX040", ERROR, "Images and labels of a split differ in number")
    SPLIT_SHAPES = ("IDX041", ERROR, "Test images differ in shape from training images")
    SPLIT_TYPES = ("IDX042", ERROR, "Test images differ in type from training images")
    UNSEEN_LABELS = ("IDX043", ERROR, "Test labels have classes that training labels have not")
    SPLIT_SCALES = ("IDX044", ERROR, "Test pixels are of another scale than training pixels")
    SPLIT_LOOKS = ("IDX045", WARNING, "One split looks transposed or inverted, the other does not")
    # What the bytes hold; nothing that a format could forbid.
    IMBALANCE = ("IDX050", WARNING, "The largest class has many times the examples of the smallest")
    MISSING_CLASSES = ("IDX051", WARNING, "Some classes have no example")
    CONSTANT_IMAGES = ("IDX052", WARNING, "Some images are of a single value")
    DUPLICATES = ("IDX053", WARNING, "Some images are there more than once in their split")
    LEAKAGE = ("IDX054", WARNING, "Some test images are training images, too")
    ALL_ZERO = ("IDX055", WARNING, "Every byte of the data is zero")
    INVERTED = ("IDX056", WARNING, "Images look inverted: a bright background")
    TRANSPOSED = ("IDX057", WARNING, "Images look transposed: they lie on their side")
    NOT_FINITE = ("IDX058", WARNING, "Some pixels are NaN or infinite")
    LABEL_CONFLICTS = ("IDX059", WARNING, "Some images that are the same have different labels")
    # Against an earlier validation.
    BASELINE_SHAPE = ("IDX060", ERROR, "Images differ in shape from the baseline")
    BASELINE_TYPE = ("IDX061", ERROR, "Images differ in type from the baseline")
    BASELINE_CLASSES = ("IDX062", ERROR, "The number of classes differs from the baseline's")
    BASELINE_SHARES = ("IDX063", WARNING, "A class's share has moved away from the baseline")

    # What the bytes mean.
    PIXEL_RANGE = ("IDX070", WARNING, "Pixels lie far outside their range, or fill little of it")
    SORTED = ("IDX071", WARNING, "Examples are sorted by class")
    LABEL_BASE = ("IDX072", WARNING, "Labels begin at 1: class 0 would have no example")
    LABEL_ROWS = ("IDX073", WARNING, "Label records have several columns, of which one is taken")
    SIDES = ("IDX074", WARNING, "Images look as if the header had width before height")
    ONE_CLASS = ("IDX075", WARNING, "All labels are of one class")

    def __init__(self, code: str, severity: str, meaning: str) -> None:
        self.code = code
        self.severity = severity
        self.meaning = meaning

    def __str__(self) -> str:
        return self.code
