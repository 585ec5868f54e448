#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use super::testing::{bytes, framed, image, message, number, varint};
use super::wire::Message as _;
use super::*;
use crate::error::{Kind, Result};

const PSTREE: u32 = 0x5027_3030;

fn processes(image: &[u8]) -> Result<Vec<PstreeEntry>> {
    Image::open(image, image.len() as u64, ImageType::Pstree)?.all(&mut Items::default())
}

fn process(pid: u64, threads: &[u64]) -> Vec<u8> {
    let threads = threads.iter().map(|thread| number(5, *thread));
    let fields = [number(1, pid), number(2, 0), number(3, 1), number(4, 1)];
    fields.into_iter().chain(threads).flatten().collect()
}

fn decode<M: wire::Message>(bytes: &[u8]) -> std::result::Result<M, Refusal> {
    M::decode(bytes, &mut Items::default())
}

#[test]
fn messages_are_read_to_the_images_end() {
    let entries = [process(1, &[1]), process(44, &[44, 45])];
    let read = processes(&image(PSTREE, &entries)).unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!((read[1].pid, &read[1].threads[..]), (44, &[44, 45][..]));
    assert!(processes(&image(PSTREE, &[])).unwrap().is_empty());
}

#[test]
fn an_image_from_before_the_common_magic_is_read() {
    let old = [&PSTREE.to_le_bytes()[..], &framed(process(7, &[7]))].concat();
    assert_eq!(processes(&old).unwrap()[0].pid, 7);
}

#[test]
fn another_images_magic_is_refused() {
    let error = processes(&image(0x5831_3116, &[])).unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed);
    assert!(error.to_string().contains("0x58313116"), "{error}");
}

#[test]
fn every_prefix_of_an_image_is_whole_entries_or_an_error() {
    let entries = [process(1, &[1]), process(300, &[300, 301])];
    let whole = image(PSTREE, &entries);
    let first = 8 + 4 + entries[0].len();
    for end in 0..whole.len() {
        match processes(&whole[..end]) {
            Ok(read) if end == 8 => assert!(read.is_empty()),
            Ok(read) if end == first => assert_eq!(read.len(), 1),
            Ok(read) => panic!("{end}: {read:?}"),
            Err(error) => assert_eq!(error.kind(), Kind::Malformed, "{end}: {error}"),
        }
    }
}

#[test]
fn a_reader_that_ends_before_the_image_does_is_an_error() {
    let whole = image(PSTREE, &[process(1, &[1])]);
    for end in 8..whole.len() {
        let opened = Image::open(&whole[..end], whole.len() as u64, ImageType::Pstree);
        let read = opened.and_then(|mut image| image.all::<PstreeEntry>(&mut Items::default()));
        assert_eq!(read.unwrap_err().kind(), Kind::Malformed, "{end}");
    }
}

#[test]
fn a_length_of_gigabytes_is_refused_before_anything_is_allocated() {
    for len in [MAX_MESSAGE + 1, 0x7fff_ffff, u32::MAX] {
        let mut bytes = image(PSTREE, &[]);
        bytes.extend(len.to_le_bytes());
        // As long as it claims to be, so that the length itself is what is refused.
        let size = bytes.len() as u64 + u64::from(len);
        let mut read = Image::open(&bytes[..], size, ImageType::Pstree).unwrap();
        let error = read.next::<PstreeEntry>(&mut Items::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Limit, "{len}");
    }
    // Within the limit, and not there.
    let mut bytes = image(PSTREE, &[]);
    bytes.extend(MAX_MESSAGE.to_le_bytes());
    assert_eq!(processes(&bytes).unwrap_err().kind(), Kind::Malformed);
    let mut image = Image::open(&bytes[..], u64::MAX, ImageType::Pstree).unwrap();
    let error = image
        .next::<PstreeEntry>(&mut Items::default())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Malformed);
}

#[test]
fn numbers_of_more_than_ten_bytes_or_64_bits_are_refused() {
    let with = |bytes: &[u8]| decode::<PstreeEntry>(&[&[0x08], bytes].concat());
    let longest = [&[0xff; 9][..], &[1]].concat();
    assert_eq!(with(&longest).unwrap().pid, u32::MAX);
    assert_eq!(with(&[&[0xff; 9][..], &[2]].concat()), Err(Refusal::Varint));
    assert_eq!(
        with(&[&[0x80; 10][..], &[1]].concat()),
        Err(Refusal::Varint)
    );
    assert_eq!(with(&[0x80; 9]), Err(Refusal::CutShort));
    // The number of a field may be too long as well.
    assert_eq!(decode::<PstreeEntry>(&[0xff; 11]), Err(Refusal::Varint));
}

#[test]
fn unknown_fields_of_any_type_are_skipped() {
    let fields = [
        number(99, u64::MAX),
        bytes(1000, [0xff; 300]),
        [varint(50 << 3 | 1), vec![0xff; 8]].concat(),
        [varint(51 << 3 | 5), vec![0xff; 4]].concat(),
        number(1, 7),
    ];
    assert_eq!(decode::<PstreeEntry>(&message(&fields)).unwrap().pid, 7);
}

#[test]
fn what_is_no_message_is_refused() {
    for (bytes, refusal) in [
        (&[0x00, 0x01][..], Refusal::Wire),
        (&[0x0b], Refusal::Wire),
        (&[0x0c], Refusal::Wire),
        (&[0x0e], Refusal::Wire),
        // A known field of another type.
        (&[0x0a, 0x01, 0x07], Refusal::FieldType),
        (&[0x09, 0, 0, 0, 0, 0, 0, 0, 0], Refusal::FieldType),
        // A length beyond the message.
        (&[0xfa, 0x01, 0x05, 0x00], Refusal::CutShort),
        (
            &[
                0xfa, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
            Refusal::CutShort,
        ),
    ] {
        assert_eq!(decode::<PstreeEntry>(bytes), Err(refusal), "{bytes:x?}");
    }
}

#[test]
fn lists_are_read_packed_and_unpacked_and_the_last_single_value_counts() {
    let packed = [varint(1), varint(300), varint(70000)].concat();
    let fields = [number(1, 3), number(5, 9), bytes(5, packed), number(1, 4)];
    let read: PstreeEntry = decode(&message(&fields)).unwrap();
    assert_eq!((read.pid, read.threads), (4, vec![9, 1, 300, 70000]));
    let cut = bytes(5, [0x80]);
    assert_eq!(decode::<PstreeEntry>(&cut), Err(Refusal::CutShort));
}

#[test]
fn signed_numbers_have_their_two_codings() {
    let vma: Vma = decode(&number(8, 1)).unwrap();
    assert_eq!(vma.fd, Zigzag(-1));
    let vma: Vma = decode(&number(8, u64::MAX)).unwrap();
    assert_eq!(vma.fd, Zigzag(i64::MIN));
    let task: TaskCore = decode(&number(14, (-17_i64).cast_unsigned())).unwrap();
    assert_eq!(task.oom_score_adj, Some(-17));
}

#[test]
fn what_all_images_together_fill_is_bounded() {
    let entry = process(1, &vec![1; 1000]);
    let mut items = Items::up_to(6000);
    let two = image(PSTREE, &[entry.clone(), entry]);
    let mut read = Image::open(&two[..], two.len() as u64, ImageType::Pstree).unwrap();
    read.next::<PstreeEntry>(&mut items).unwrap().unwrap();
    let error = read.next::<PstreeEntry>(&mut items).unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
    // Empty messages cost an image two bytes each.
    let many = [varint(14 << 3 | 2), vec![0]].concat().repeat(2000);
    let refused = Mm::decode(&many, &mut Items::up_to(2000 * size_of::<Vma>()));
    assert_eq!(refused, Err(Refusal::TooMany));
    // So do messages of an image, four bytes each.
    let empty = image(PSTREE, &vec![Vec::new(); 2000]);
    let mut read = Image::open(&empty[..], empty.len() as u64, ImageType::Pstree).unwrap();
    let error = read
        .all::<PstreeEntry>(&mut Items::up_to(1500))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Limit);
}

#[test]
fn long_texts_are_counted() {
    let file = bytes(6, vec![b'x'; 1000]);
    assert!(RegFile::decode(&file, &mut Items::up_to(1000 + size_of::<RegFile>())).is_ok());
    let refused = RegFile::decode(&file, &mut Items::up_to(999 + size_of::<RegFile>()));
    assert_eq!(refused, Err(Refusal::TooMany));
}

#[test]
fn a_million_entries_are_read() {
    let one = framed(message(&[number(1, 0x1000), number(2, 1), number(4, 4)]));
    let mut bytes = image(0x5608_4025, &[number(1, 1)]);
    bytes.extend(one.repeat(1_000_000));
    let mut read = Image::open(&bytes[..], bytes.len() as u64, ImageType::Pagemap).unwrap();
    let mut items = Items::default();
    read.only::<PagemapHead>(&mut items).unwrap();
    assert_eq!(
        read.all::<PagemapEntry>(&mut items).unwrap().len(),
        1_000_000
    );
}

#[test]
fn bytes_behind_a_message_are_skipped_and_have_to_be_there() {
    let mut bytes = image(0x5645_3709, &[]);
    for content in [&b"hello"[..], b""] {
        bytes.extend(framed(message(&[
            number(1, 3),
            number(2, content.len() as u64),
        ])));
        bytes.extend(content);
    }
    let mut read = Image::open(&bytes[..], bytes.len() as u64, ImageType::PipeData).unwrap();
    let mut items = Items::default();
    for expected in [5, 0] {
        let data: PipeData = read.next(&mut items).unwrap().unwrap();
        assert_eq!(data.bytes, expected);
        read.skip(u64::from(data.bytes)).unwrap();
    }
    assert!(read.next::<PipeData>(&mut items).unwrap().is_none());
    assert_eq!(read.skip(1).unwrap_err().kind(), Kind::Malformed);
}

/// An entry of a page map.
fn entry(address: u64, pages: u64, flags: u32) -> PagemapEntry {
    PagemapEntry {
        address,
        compat_pages: pages as u32,
        flags: Some(flags),
        ..PagemapEntry::default()
    }
}

fn compressed(address: u64, pages: u64, region: u32, sizes: &[u32]) -> PagemapEntry {
    PagemapEntry {
        pages: Some(pages),
        compressed_sizes: sizes.to_vec(),
        region_pages: Some(region),
        ..entry(address, 0, 4)
    }
}

#[test]
fn a_page_map_leads_to_the_pages() {
    let entries = vec![
        entry(0x1000, 2, 4),
        entry(0x3000, 1, 1),
        entry(0x4000, 1, 2),
        entry(0x9000, 3, 6),
    ];
    let map = Pagemap::new(5, entries, PAGE_SIZE).unwrap();
    assert_eq!(map.stored, 5 * PAGE_SIZE);
    let places: Vec<_> = map.runs.iter().map(|run| run.place).collect();
    let last = PageSource::Here(2 * PAGE_SIZE);
    assert_eq!(
        places,
        [
            PageSource::Here(0),
            PageSource::Parent,
            PageSource::Lazy,
            last
        ]
    );
    assert_eq!(map.at_or_after(0x2fff).unwrap().start, 0x1000);
    assert_eq!(map.at_or_after(0x5000).unwrap().start, 0x9000);
    assert!(map.at_or_after(0xc000).is_none());
    let piece = map.runs[3].piece(0xa010, 1 << 20).unwrap();
    assert_eq!((piece.offset, piece.len), (0x3010, 0x1ff0));
    assert!(map.runs[1].piece(0x3000, 1).is_none());
    assert!(map.check_size(5 * PAGE_SIZE).is_ok());
    for size in [0, 5 * PAGE_SIZE - 1, 5 * PAGE_SIZE + 1] {
        assert!(map.check_size(size).is_err());
    }
}

#[test]
fn flags_that_are_missing_are_those_of_older_images() {
    let old = |in_parent| PagemapEntry {
        flags: None,
        in_parent,
        ..entry(0x1000, 1, 0)
    };
    let place = |entry| Pagemap::new(1, vec![entry], PAGE_SIZE).unwrap().runs[0].place;
    assert_eq!(place(old(Some(true))), PageSource::Parent);
    assert_eq!(place(old(Some(false))), PageSource::Here(0));
    assert_eq!(place(old(None)), PageSource::Here(0));
}

#[test]
fn a_page_map_that_contradicts_itself_is_refused() {
    for entries in [
        vec![entry(0x2000, 1, 4), entry(0x1000, 1, 4)],
        vec![entry(0x1000, 2, 4), entry(0x2000, 1, 4)],
        vec![entry(0x1000, 1, 4), entry(0x1000, 1, 4)],
        vec![entry(0x1001, 1, 4)],
        vec![entry(u64::MAX - 0xfff, 1, 4)],
        vec![PagemapEntry {
            pages: Some(u64::MAX),
            ..entry(0x1000, 0, 4)
        }],
        vec![PagemapEntry {
            pages: Some(1 << 52),
            ..entry(0x1000, 0, 4)
        }],
    ] {
        let refused = Pagemap::new(1, entries.clone(), PAGE_SIZE).map(drop);
        assert_eq!(refused, Err(Refusal::Pagemap), "{entries:?}");
    }
}

#[test]
fn compressed_pages_come_out_as_they_were() {
    let text: Vec<u8> = (0..2 * PAGE_SIZE).map(|at| (at / 100) as u8).collect();
    let packed = lz4_flex::block::compress(&text);
    assert!(packed.len() < text.len());
    let raw = vec![0x5a; PAGE_SIZE as usize];
    // Two pages that are packed, two of zeros, and a last block of one page that is stored as it is.
    let sizes = [packed.len() as u32, 0, PAGE_SIZE as u32];
    let entries = vec![entry(0x1000, 1, 4), compressed(0x10000, 5, 2, &sizes)];
    let map = Pagemap::new(1, entries, PAGE_SIZE).unwrap();
    let file = [vec![7; PAGE_SIZE as usize], packed.clone(), raw.clone()].concat();
    assert_eq!(map.stored, file.len() as u64);
    let expected = [text, vec![0; 2 * PAGE_SIZE as usize], raw].concat();
    let run = &map.runs[1];
    for (at, most) in [
        (0, 99),
        (100, 5000),
        (8191, 1),
        (8192, 9000),
        (16384, 9000),
        (20479, 1),
    ] {
        let piece = run.piece(0x10000 + at, most).unwrap();
        let stored = &file[piece.offset as usize..][..piece.stored as usize];
        let got = piece.unpack(stored.to_vec()).unwrap();
        assert_eq!(got.len() as u64, piece.len);
        assert_eq!(got, expected[at as usize..][..got.len()], "{at}");
    }
    let piece = run.piece(0x10000, 1).unwrap();
    let mut corrupt = packed;
    corrupt.truncate(corrupt.len() - 1);
    assert_eq!(piece.unpack(corrupt), Err(Refusal::Lz4));
}

#[test]
fn blocks_far_into_a_run_are_found() {
    let sizes: Vec<u32> = (0..1000).map(|index| index % 5).collect();
    let map = Pagemap::new(1, vec![compressed(0, 1000, 1, &sizes)], PAGE_SIZE).unwrap();
    for index in [0, 1, 63, 64, 65, 700, 999] {
        let piece = map.runs[0].piece(index * PAGE_SIZE, 1).unwrap();
        let before: u32 = sizes[..index as usize].iter().sum();
        assert_eq!(piece.offset, u64::from(before), "{index}");
    }
}

#[test]
fn a_block_of_lz4_can_not_become_more_than_its_size() {
    // A megabyte of zeros in 4 KiB, said to be one page.
    let bomb = lz4_flex::block::compress(&vec![0; 1 << 20]);
    let size = bomb.len() as u32;
    assert!(u64::from(size) < 2 * PAGE_SIZE);
    let map = Pagemap::new(1, vec![compressed(0, 2, 2, &[size])], PAGE_SIZE).unwrap();
    let piece = map.runs[0].piece(0, 1).unwrap();
    assert_eq!(piece.unpack(bomb), Err(Refusal::Lz4));
}

#[test]
fn a_block_of_lz4_that_becomes_less_than_its_size_is_refused() {
    let short = lz4_flex::block::compress(&vec![b'x'; PAGE_SIZE as usize - 1]);
    let size = short.len() as u32;
    let map = Pagemap::new(1, vec![compressed(0, 1, 1, &[size])], PAGE_SIZE).unwrap();
    let piece = map.runs[0].piece(0, 1).unwrap();
    assert_eq!(piece.unpack(short), Err(Refusal::Lz4));
}

#[test]
fn sizes_of_compressed_pages_that_contradict_each_other_are_refused() {
    let with_total = PagemapEntry {
        total_compressed: Some(11),
        ..compressed(0x1000, 2, 1, &[5, 5])
    };
    for entry in [
        compressed(0x1000, 2, 1, &[1]),
        compressed(0x1000, 2, 1, &[1, 1, 1]),
        compressed(0x1000, 1, 1, &[4097]),
        compressed(0x1000, 1, 0, &[1]),
        // A last block is no larger than what is left.
        compressed(0x1000, 3, 2, &[1, 4097]),
        // Blocks of more than 4 MiB.
        compressed(0x1000, 1, 1025, &[1]),
        with_total,
    ] {
        let refused = Pagemap::new(1, vec![entry.clone()], PAGE_SIZE).map(drop);
        assert_eq!(refused, Err(Refusal::Compressed), "{entry:?}");
    }
}
