"""Contents that look like a photographer's files: RAW, JPEG, 16-bit TIFF and XMP sidecars.

RAW and JPEG payloads cannot be compressed or found twice; the TIFFs and sidecars can. Everything
follows from a seed and a label, so a file has the same bytes on every machine.
"""

import hashlib
import random
import struct
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 4 << 20
_TIFF_WIDTH = 2400
_TIFF_SAMPLES = 3


def noise(seed: int, label: str, length: int) -> Iterator[bytes]:
    """`length` incompressible bytes in blocks."""
    for number, start in enumerate(range(0, length, _BLOCK)):
        key = f"darkslide-bench/{seed}/{label}/{number}".encode()
        yield hashlib.shake_256(key).digest(min(_BLOCK, length - start))


def write_raw(path: Path, seed: int, label: str, length: int) -> int:
    """A file with the outer boxes of a CR3 and an incompressible payload; returns its bytes."""
    brand = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"crx ", 1, b"crx ", b"isom")
    head = brand + struct.pack(">I4s", length - len(brand), b"mdat")
    with open(path, "wb") as file:
        file.write(head)
        for block in noise(seed, label, length - len(head)):
            file.write(block)
    return length


def write_jpeg(path: Path, seed: int, label: str, length: int) -> int:
    """A JPEG header, a scan that cannot be compressed, an end mark; returns its bytes."""
    jfif = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x02\x00\x00\x48\x00\x48\x00\x00"
    table = b"\xff\xdb\x00\x43\x00" + bytes(range(1, 65))
    frame = b"\xff\xc0\x00\x0b\x08\x0f\xa0\x17\x70\x01\x01\x11\x00"
    head = jfif + table + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    with open(path, "wb") as file:
        file.write(head)
        for block in noise(seed, label, length - len(head) - 2):
            file.write(block.replace(b"\xff", b"\xfe"))
        file.write(b"\xff\xd9")
    return length


def write_tiff(path: Path, seed: int, label: str, length: int) -> int:
    """An uncompressed 16-bit RGB TIFF: slow gradients under 6 bits of noise; returns its bytes."""
    row = _TIFF_WIDTH * _TIFF_SAMPLES * 2
    height = max(1, length // row)
    head = _tiff_head(height, row)
    grain = bytes(value & 0x3F for value in range(256))
    with open(path, "wb") as file:
        file.write(head)
        written = 0
        for block in noise(seed, label, row * height // 2):
            pixels = bytearray(2 * len(block))
            pixels[0::2] = block.translate(grain)
            pixels[1::2] = _gradient(written, len(block), row // 2, height)
            file.write(pixels)
            written += len(block)
    return len(head) + row * height


def xmp(rng: random.Random, name: str, edits: int = 0) -> str:
    """A sidecar of about 6 KB as raw developers write it; `edits` counts later changes."""
    day = f"2024-{1 + rng.randrange(12):02}-{1 + rng.randrange(28):02}"
    sliders = "\n".join(
        f'   crs:{slider}="{rng.randint(-100, 100):+d}"' for slider in _SLIDERS
    )
    points = "\n".join(
        f"     <rdf:li>{x}, {min(255, max(0, x + rng.randint(-9, 9)))}</rdf:li>"
        for x in range(0, 256, 32)
    )
    rating, exposure = rng.randint(0, 5), rng.uniform(-2, 2)
    history = "\n".join(
        '     <rdf:li stEvt:action="saved"\n'
        f'      stEvt:instanceID="xmp.iid:{rng.getrandbits(128):032X}"\n'
        f'      stEvt:when="{day}T1{step}:{rng.randrange(60):02}:08+02:00"\n'
        '      stEvt:softwareAgent="Adobe Photoshop Lightroom Classic 13.2"/>'
        for step in range(6)
    )
    words = "\n".join(f"     <rdf:li>{rng.choice(_KEYWORDS)}</rdf:li>" for _ in range(12))
    return _XMP.format(
        name=name,
        day=day,
        modified=f"2025-0{1 + edits % 9}-17T11:{edits % 60:02}:31",
        rating=(rating + edits) % 6,
        exposure=f"{exposure + edits / 20:+.2f}",
        document="".join(rng.choices("0123456789ABCDEF", k=32)),
        sliders=sliders,
        points=points,
        history=history,
        words=words,
    )


def _gradient(start: int, length: int, row: int, height: int) -> bytes:
    parts, position = [], start
    while position < start + length:
        line = position // row
        count = min(row - position % row, start + length - position)
        parts.append(bytes([32 + 160 * line // height]) * count)
        position += count
    return b"".join(parts)


def _tiff_head(height: int, row: int) -> bytes:
    entries = [
        (256, 4, 1, _TIFF_WIDTH),
        (257, 4, 1, height),
        (258, 3, 3, 8 + 2 + 9 * 12 + 4),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 8 + 2 + 9 * 12 + 4 + 6),
        (277, 3, 1, _TIFF_SAMPLES),
        (278, 4, 1, height),
        (279, 4, 1, row * height),
    ]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    bits = struct.pack("<HHH", 16, 16, 16)
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + directory + bytes(4) + bits


_KEYWORDS = (
    "wedding harbour portrait mountain rehearsal family ceremony studio winter forest concert "
    "bride groom lake architecture night street product food wildlife coast interview"
).split()

_SLIDERS = (
    "Highlights2012 Shadows2012 Whites2012 Blacks2012 Clarity2012 Texture Dehaze Vibrance "
    "Saturation ParametricShadows ParametricDarks ParametricLights ParametricHighlights "
    "Sharpness LuminanceSmoothing ColorNoiseReduction GrainAmount GrainSize GrainFrequency "
    "HueAdjustmentRed HueAdjustmentOrange HueAdjustmentYellow HueAdjustmentGreen "
    "HueAdjustmentAqua HueAdjustmentBlue HueAdjustmentPurple HueAdjustmentMagenta "
    "SaturationAdjustmentRed SaturationAdjustmentOrange SaturationAdjustmentYellow "
    "SaturationAdjustmentGreen SaturationAdjustmentAqua SaturationAdjustmentBlue "
    "SaturationAdjustmentPurple SaturationAdjustmentMagenta LuminanceAdjustmentRed "
    "LuminanceAdjustmentOrange LuminanceAdjustmentYellow LuminanceAdjustmentGreen "
    "LuminanceAdjustmentAqua LuminanceAdjustmentBlue LuminanceAdjustmentPurple "
    "LuminanceAdjustmentMagenta SplitToningShadowHue SplitToningShadowSaturation "
    "SplitToningHighlightHue SplitToningHighlightSaturation SplitToningBalance "
    "ColorGradeMidtoneHue ColorGradeMidtoneSat ColorGradeShadowLum ColorGradeMidtoneLum "
    "ColorGradeHighlightLum ColorGradeBlending ColorGradeGlobalHue ColorGradeGlobalSat "
    "DefringePurpleAmount DefringePurpleHueLo DefringePurpleHueHi DefringeGreenAmount "
    "DefringeGreenHueLo DefringeGreenHueHi PostCropVignetteAmount PostCropVignetteMidpoint "
    "PostCropVignetteFeather PostCropVignetteRoundness PostCropVignetteStyle "
    "PerspectiveUpright PerspectiveVertical PerspectiveHorizontal PerspectiveRotate "
    "PerspectiveAspect PerspectiveScale ShadowTint RedHue RedSaturation GreenHue "
    "GreenSaturation BlueHue BlueSaturation LensProfileDistortionScale "
    "LensProfileVignettingScale LensManualDistortionAmount VignetteAmount"
).split()

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000 1.000000">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:aux="http://ns.adobe.com/exif/1.0/aux/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
   xmp:CreatorTool="Canon EOS R6m2"
   xmp:CreateDate="{day}T10:42:17.53"
   xmp:ModifyDate="{modified}"
   xmp:MetadataDate="{modified}+02:00"
   xmp:Rating="{rating}"
   tiff:Make="Canon"
   tiff:Model="Canon EOS R6m2"
   tiff:Orientation="1"
   exif:ExposureTime="1/500"
   exif:FNumber="28/10"
   exif:FocalLength="85/1"
   aux:SerialNumber="043021000417"
   aux:Lens="RF85mm F1.2 L USM"
   dc:format="image/x-canon-cr3"
   xmpMM:DocumentID="xmp.did:{document}"
   xmpMM:PreservedFileName="{name}"
   crs:Version="16.2"
   crs:ProcessVersion="15.4"
   crs:WhiteBalance="As Shot"
   crs:Exposure2012="{exposure}"
{sliders}
   crs:HasSettings="True"
   crs:RawFileName="{name}">
   <crs:ToneCurvePV2012>
    <rdf:Seq>
{points}
    </rdf:Seq>
   </crs:ToneCurvePV2012>
   <xmpMM:History>
    <rdf:Seq>
{history}
    </rdf:Seq>
   </xmpMM:History>
   <dc:subject>
    <rdf:Bag>
{words}
    </rdf:Bag>
   </dc:subject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""
