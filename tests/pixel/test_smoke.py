from tests.pixel.browser import ID, Visit


def test_smoke(visit: Visit) -> None:
    visit.open(f"fbq('init','{ID}',{{em:' John_Smith@gmail.com ',ph:16505551212,fn:'Valéry'}});fbq('track','PageView');fbq('track','Purchase',{{value:1,currency:'INR',contents:[{{id:'A',quantity:1}}]}},{{eventID:'o 1'}})")
    a, b = visit.hits(2)
    print(a.raw); print(b.raw); print(visit.said, visit.cookies())
    print(visit.run("return JSON.stringify([fbq.getState(), Object.keys(fbq.instance.pixelsByID)])"))
    assert b["ud[em]"]=="62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
