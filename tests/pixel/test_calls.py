"""Calls of fbq(): stubs, queues, registration of ids and what goes to which (pixel.md §10, 1 to 13)."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Request

from tests.pixel.browser import COLLECTOR, ID, OTHER, SHOP, STUB, Hit, Visit
from truecount.lines import lines_for

pytestmark = pytest.mark.slow

INIT = f"fbq('init','{ID}');"
BOTH = f"{INIT}fbq('init','{OTHER}');"
EMAIL = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
PHONE = "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"
ARRAYS = STUB.replace("push(arguments)", "push([].slice.call(arguments))")
"""A stub by hand, whose queue has true arrays."""
GTM = (
    "window.fbq=function(){fbq.callMethod?fbq.callMethod.apply(null,arguments):fbq.queue.push(arguments)};fbq.queue=[]"
)
"""A stub as a tag manager's sandbox makes it: no push, no loaded, no version."""
SNIPPET = lines_for(COLLECTOR, ID).pixel
"""What a page has by the command `truecount snippet`, without its image."""
CONFLICT = "Multiple pixels with conflicting versions were detected on this page."


def watched(visit: Visit, key: str = "ev") -> list[str]:
    """Grows by a key's value of each hit that the browser asks for, in the order in which it does."""
    values: list[str] = []

    def look(request: Request) -> None:
        url = urlsplit(request.url)
        if url.path == "/tr/":
            values.append(dict(parse_qsl(url.query))[key])

    visit.page.on("request", look)
    return values


def counted(hits: list[Hit], id: str = ID) -> list[str]:
    """Names of an id's events by the script's own count; the count has no gap. Images may overtake each other."""
    ordered = sorted((hit for hit in hits if hit["id"] == id), key=lambda hit: int(hit["ec"]))
    assert [hit["ec"] for hit in ordered] == [str(place) for place in range(len(ordered))]
    return [hit["ev"] for hit in ordered]


def alike(hit: Hit) -> dict[str, str]:
    """All fields but clocks and count."""
    return {key: value for key, value in hit.fields.items() if key not in ("ts", "it", "ec")}


def said(visit: Visit, words: str) -> int:
    """How many lines of the console have the words."""
    return sum(words in line for line in visit.said)


def test_01_queued_calls_are_sent_in_order_and_each_once(visit: Visit) -> None:
    asked = watched(visit)
    queued = f"{INIT}fbq('track','PageView');fbq('track','Lead');fbq('trackCustom','Third')"
    visit.open(queued, then="fbq('track','Contact')")
    visit.run("fbq('track','Search')")
    names = ["PageView", "Lead", "Third", "Contact", "Search"]
    assert counted(visit.hits(5)) == names
    assert asked == names
    assert visit.said == []


def test_01_a_call_made_while_the_queue_is_answered_comes_behind_it(visit: Visit) -> None:
    inner = f"fbq('gateCheck','a_gate',()=>0,()=>fbq('track','Contact'),'{ID}');"
    visit.open(f"{INIT}{inner}fbq('track','PageView');fbq('track','Lead')")
    assert counted(visit.hits(3)) == ["PageView", "Lead", "Contact"]


def test_01_an_entry_that_throws_does_not_stop_the_queue(visit: Visit) -> None:
    throws = "fbq('gateCheck','a_gate',()=>0,()=>{throw Error('mine')},'1');"
    visit.open(f"{INIT}{throws}fbq();fbq(null);fbq({{}});fbq.queue.push(0);fbq('track','Lead')")
    assert counted(visit.hits(1)) == ["Lead"]


def test_01_the_queue_is_left_empty_and_what_is_pushed_to_it_later_is_sent(visit: Visit) -> None:
    visit.open(f"{INIT}fbq('track','PageView')", then="fbq.queue.push(['track','Lead'])")
    assert visit.run("return [Array.isArray(fbq.queue), fbq.queue.length]") == [True, 0]
    assert counted(visit.hits(2)) == ["PageView", "Lead"]


def test_02_queue_entries_as_arguments_and_as_arrays_give_identical_requests(visit: Visit) -> None:
    calls = (
        f"fbq('init','{ID}',{{em:'john_smith@gmail.com'}},{{agent:'hand'}});fbq('track','PageView');"
        "fbq('track','Purchase',{value:5,currency:'INR',contents:[{id:'A',quantity:1}]},{eventID:'o 1'})"
    )
    visit.open(calls)
    first = {hit["ev"]: alike(hit) for hit in visit.hits(2)}
    visit.web.hits.clear()
    visit.open(calls, stub=ARRAYS)
    assert {hit["ev"]: alike(hit) for hit in visit.hits(2)} == first
    assert first["Purchase"]["eid"] == "o 1"


def test_02_one_queue_may_hold_both(visit: Visit) -> None:
    visit.open(f"fbq.queue.push(['init','{ID}']);fbq('track','PageView');fbq.queue.push(['track','Lead'])")
    assert counted(visit.hits(2)) == ["PageView", "Lead"]


def test_03_fbq_is_the_same_function_before_and_after_the_script(visit: Visit) -> None:
    visit.open(f"window.kept=fbq;{INIT}")
    assert visit.run("return [fbq === kept, _fbq === kept, fbq.version, fbq.loaded]") == [True, True, "2.0", True]
    visit.run("kept('track','Lead')")
    visit.run("fbq.callMethod.apply(null,['track','Contact'])")
    visit.run("const {apply} = fbq.callMethod; apply.call(fbq.callMethod, null, ['track','Search'])")
    visit.run("(0, fbq.callMethod)('track','Donate')")
    assert counted(visit.hits(4)) == ["Lead", "Contact", "Search", "Donate"]


def test_03_without_a_stub_the_script_makes_the_same_shape(visit: Visit) -> None:
    visit.open(stub="", then=f"{INIT}fbq('track','Lead')")
    assert visit.run("return [fbq === _fbq, fbq.push === fbq, fbq.loaded, fbq.version, fbq.queue.length]") == [
        True, True, True, "2.0", 0,
    ]  # fmt: skip
    assert counted(visit.hits(1)) == ["Lead"]


def test_03_a_trap_on_fbq_sees_one_assignment_the_stubs(visit: Visit) -> None:
    trap = "var f,seen=0;Object.defineProperty(window,'fbq',{get:()=>f,set(v){f=v;seen++},configurable:true});"
    visit.open(f"{INIT}fbq('track','Lead')", stub=trap + STUB)
    visit.hits(1)
    assert visit.run("return seen") == 1


def test_04_the_snippet_pasted_twice_is_one_script_one_registry_and_no_doubled_event(visit: Visit) -> None:
    visit.web.pages[SHOP + "/"] = f"<!doctype html><html><head>{SNIPPET}</head><body>{SNIPPET}</body></html>"
    visit.page.goto(SHOP + "/")
    visit.run("fbq('track','Lead')")
    assert counted(visit.hits(2)) == ["PageView", "Lead"]
    assert visit.run("return [document.querySelectorAll('script[src]').length, fbq.getState().pixels.length]") == [1, 1]
    assert sum(url == COLLECTOR + "/truecount.js" for _, url, _ in visit.web.requests) == 1
    assert said(visit, f"Duplicate Pixel ID: {ID}") == 1


def test_05_a_second_library_warns_and_events_are_still_sent_once(visit: Visit) -> None:
    visit.open(f"{INIT}fbq('track','PageView')")
    assert said(visit, CONFLICT) == 0
    visit.page.add_script_tag(url=COLLECTOR + "/en_US/fbevents.js")
    assert said(visit, CONFLICT) == 1
    visit.run("fbq('track','Lead'); history.pushState(0, '', '/next')")
    assert counted(visit.hits(3)) == ["PageView", "Lead", "PageView"]


def test_05_a_second_library_answers_what_a_second_stub_has_queued(visit: Visit) -> None:
    visit.open(f"{INIT}fbq('track','PageView')")
    visit.run(f"window.first=fbq; delete window.fbq; {STUB}; fbq('track','Lead'); window.both = first !== fbq")
    visit.page.add_script_tag(url=COLLECTOR + "/truecount.js")
    visit.run("fbq('track','Contact'); first('track','Search')")
    assert visit.run("return both") is True
    assert counted(visit.hits(4)) == ["PageView", "Lead", "Contact", "Search"]
    assert said(visit, CONFLICT) == 1


def test_06_a_stub_without_push_loaded_and_version_works(visit: Visit) -> None:
    calls = (
        f"fbq('consent','grant');fbq('set','autoConfig',false,'{ID}');fbq('init','{ID}',{{}});"
        f"fbq('set','agent','tmSimo-GTM-WebTemplate','{ID}');fbq('trackSingle','{ID}','PageView',{{}},{{eventID:'g1'}})"
    )
    visit.open(calls, stub=GTM, then=f"fbq('trackSingleCustom','{ID}','Late',{{}},{{}})")
    hits = visit.hits(2)
    assert counted(hits) == ["PageView", "Late"]
    assert {hit["a"] for hit in hits} == {"tmSimo-GTM-WebTemplate"}
    assert {hit.get("eid") for hit in hits} == {"g1", None}
    assert visit.said == []


def test_07_push_is_a_plain_call(visit: Visit) -> None:
    calls = f"{INIT}fbq.push('track','Lead',{{a:1}},{{eventID:'e'}});fbq('track','Lead',{{a:1}},{{eventID:'e'}});"
    visit.open(calls, then="fbq.push('track','Lead',{a:1},{eventID:'e'})")
    hits = visit.hits(3)
    assert counted(hits) == ["Lead", "Lead", "Lead"]
    assert alike(hits[0]) == alike(hits[1]) == alike(hits[2])
    assert hits[0]["cd[a]"] == "1"


def test_08_init_alone_sends_nothing(visit: Visit) -> None:
    visit.open(INIT)
    assert visit.settle() == []
    assert visit.said == []


def test_08_track_without_init_sends_nothing_then_or_later(visit: Visit) -> None:
    visit.open("fbq('track','PageView');fbq('trackCustom','Mine')", then=f"fbq('track','Lead');{INIT}")
    assert visit.settle() == []
    assert said(visit, "PIXEL_NOT_INITIALIZED") == len(visit.said) == 3
    visit.run("fbq('track','PageView')")
    assert counted(visit.hits(1)) == ["PageView"]


def test_08_an_id_that_is_no_number_registers_nothing(visit: Visit) -> None:
    ids = ["", "null", "undefined", "'abc'", "\"'123'\"", "'12 3'", "{}", "NaN", "''", "'YOUR_PIXEL_ID'"]
    visit.open("".join(f"fbq('init'{id and ',' + id});" for id in ids) + "fbq('track','PageView')")
    assert visit.settle() == []
    assert said(visit, "Invalid PixelID: ") == len(ids)
    assert visit.run("return fbq.getState().pixels") == []


def test_09_a_number_and_a_string_are_the_same_pixel(visit: Visit) -> None:
    visit.open(f"fbq('init',{ID});fbq('init','{ID}');fbq('addPixelId','{ID}');fbq('track','PageView')")
    visit.run(f"fbq('trackSingle',{ID},'Lead')")
    hits = visit.hits(2)
    assert counted(hits) == ["PageView", "Lead"]
    assert said(visit, f"Duplicate Pixel ID: {ID}") == len(visit.said) == 2
    assert visit.run("return fbq.getState().pixels.map(pixel => pixel.id)") == [ID]


def test_10_init_again_with_user_data_adds_it_to_later_events(visit: Visit) -> None:
    again = f"fbq('init','{ID}',{{em:' John_Smith@gmail.com '}});"
    visit.open(f"{INIT}fbq('track','PageView');{again}fbq('track','Lead')")
    visit.run(f"fbq('init','{ID}',{{ph:16505551212,em:''}}); fbq('init','{ID}',{{}}); fbq('init','{ID}')")
    visit.run("fbq('track','Contact')")
    first, second, third = sorted(visit.hits(3), key=lambda hit: hit["ec"])
    assert [key for key in first.fields if key.startswith("ud")] == []
    assert (second["ud[em]"], second.get("ud[ph]")) == (EMAIL, None)
    assert (third["ud[em]"], third["ud[ph]"]) == (EMAIL, PHONE)


def test_10_an_array_as_user_data_is_warned_of_and_registers_the_pixel(visit: Visit) -> None:
    visit.open(f"fbq('init','{ID}',[]);fbq('track','PageView')")
    assert counted(visit.hits(1)) == ["PageView"]
    assert said(visit, f"""Call to "fbq('init', '{ID}', []);" with parameter "user_data" has an invalid value""") == 1


def test_11_track_goes_to_all_pixels_with_one_event_id_and_track_single_to_one(visit: Visit) -> None:
    visit.open(f"{BOTH}fbq('track','Lead',{{}},{{eventID:'e-1'}})")
    hits = visit.hits(2)
    assert {(hit["id"], hit["ev"], hit["eid"], hit["ec"]) for hit in hits} == {
        (ID, "Lead", "e-1", "0"),
        (OTHER, "Lead", "e-1", "0"),
    }
    visit.run(f"fbq('trackSingle','{OTHER}','Contact')")
    assert [hit["id"] for hit in visit.hits(3)[2:]] == [OTHER]
    visit.run("fbq('trackCustom','Mine')")
    hits = visit.hits(5)
    assert counted(hits, ID) == ["Lead", "Mine"]
    assert counted(hits, OTHER) == ["Lead", "Contact", "Mine"]


def test_11_a_pixel_gets_no_event_from_before_its_init(visit: Visit) -> None:
    visit.open(f"{INIT}fbq('track','PageView');fbq('init','{OTHER}');fbq('track','Lead')")
    hits = visit.hits(3)
    assert counted(hits, ID) == ["PageView", "Lead"]
    assert counted(hits, OTHER) == ["Lead"]


def test_11_pixels_are_asked_for_in_the_order_of_their_init(visit: Visit) -> None:
    ids = watched(visit, "id")
    visit.open(f"fbq('init','{OTHER}');{INIT}fbq('track','Lead')")
    visit.hits(2)
    assert ids == [OTHER, ID]


def test_12_track_single_sends_a_custom_name_and_says_that_it_is_not_standard(visit: Visit) -> None:
    visit.open(f"{BOTH}fbq('trackSingle','{ID}','MyEvent',{{a:1}},undefined,undefined)")
    (hit,) = visit.hits(1)
    assert (hit["id"], hit["ev"], hit["cd[a]"]) == (ID, "MyEvent", "1")
    assert said(visit, "You are sending a non-standard event 'MyEvent'.") == len(visit.said) == 1
    assert "trackCustom" in visit.said[0]


def test_12_custom_calls_send_a_custom_name_silently(visit: Visit) -> None:
    data = "{value:-1,currency:'usd'}"
    visit.open(f"{INIT}fbq('trackSingleCustom','{ID}','One',{data});fbq('trackCustom','Two',{data})")
    hits = visit.hits(2)
    assert counted(hits) == ["One", "Two"]
    assert [hit["cd[value]"] for hit in hits] == ["-1", "-1"]
    assert visit.said == []


def test_13_track_single_to_an_unknown_id_sends_nothing_and_warns(visit: Visit) -> None:
    calls = f"fbq('trackSingle','{OTHER}','Lead');fbq('trackSingleCustom','{OTHER}','Lead')"
    visit.open(f"{INIT}fbq('set','autoConfig',false,'{OTHER}');{calls}")
    assert visit.settle() == []
    assert said(visit, "PIXEL_NOT_INITIALIZED") == len(visit.said) == 2


def test_13_track_single_to_no_id_does_not_go_to_all(visit: Visit) -> None:
    ids = ["undefined", "null", "''", "0"]
    visit.open(BOTH + "".join(f"fbq('trackSingle',{id},'Lead');" for id in ids))
    assert visit.settle() == []
    assert said(visit, "PIXEL_NOT_INITIALIZED") == len(visit.said) == len(ids)


@pytest.mark.parametrize("key", ["userData", "user_data", "userdata"])
def test_12_user_data_without_an_id_is_that_of_every_pixel_that_is_there(visit: Visit, key: str) -> None:
    visit.open(f"{INIT}fbq('init','{OTHER}');fbq('set','{key}',{{em:'john_smith@gmail.com'}});fbq('track','Lead')")
    hashed = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
    assert [hit["ud[em]"] for hit in visit.hits(2)] == [hashed] * 2


@pytest.mark.parametrize(
    ("attributes", "sent"),
    [('data-agent=""', 1), ('data-extra=""', 1), ("data-consent", 0), ('data-consent="required"', 0)],
)
def test_attributes_without_a_value_say_nothing_but_that_consent_is_required(
    visit: Visit, attributes: str, sent: int
) -> None:
    visit.open(f"{INIT}fbq('track','Lead')", attributes=attributes)
    hits = visit.hits(sent)
    assert all("a" not in hit.fields for hit in hits)
    assert not any("extra" in url for _, url, _ in visit.web.requests)
